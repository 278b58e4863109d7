/**
 * The sum rule with every mechanism on: connections + listeners + endpoints + closed + unattributed = global, at several moments of random
 * runs. A part of them in every `npm test`; EVERYTHING_RUNS=10000 for all, EVERYTHING_SEED for one.
 */
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { counters } from '../../mib/catalogue/index.js';
import { GLOBAL_BASE } from '../../mib/ledger/layout.js';
import { everythingRun } from './everything.js';

const RUNS = Number(process.env['EVERYTHING_RUNS'] ?? (process.env['CI'] ? 1000 : 100));
const ONE = process.env['EVERYTHING_SEED'];

/** Mechanisms that a hundred runs are enough to see at work, by a counter of each. */
const OFTEN = (
  'SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts PruneCalled TW TWKilled PAWSEstab DelayedACKs DelayedACKLost ListenDrops ' +
  'TCPHPHits TCPSackRecovery TCPRenoRecovery TCPLossUndo TCPDSACKUndo TCPPartialUndo TCPFastRetrans TCPSlowStartRetrans TCPLostRetransmit ' +
  'TCPTimeouts TCPLossProbes TCPDSACKOldSent TCPDSACKOfoSent TCPDSACKRecv TCPSACKReorder TCPTSReorder TCPSackShifted TCPSackMerged ' +
  'TCPAbortOnData TCPAbortOnClose TCPAbortOnTimeout TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure TCPRcvCoalesce TCPRcvCollapsed ' +
  'TCPOFOQueue TCPOFOMerge TCPAckCompressed TCPChallengeACK TCPSYNChallenge TCPACKSkippedSeq TCPACKSkippedPAWS TCPACKSkippedChallenge ' +
  'TCPFastOpenPassive TCPFastOpenCookieReqd TCPFastOpenActiveFail TCPFromZeroWindowAdv TCPToZeroWindowAdv TCPWantZeroWindowAdv TCPWinProbe ' +
  'TCPSynRetrans TCPKeepAlive TCPDeferAcceptDrop OutOfWindowIcmps TCPTimeWaitOverflow BeyondWindow TcpTimeoutRehash InNeighborAdvertisements'
).split(' ');
/** And those that take a thousand. */
const SELDOM = (
  'TCPFastOpenActive TCPFastOpenPassiveFail TCPFullUndo TCPSpuriousRTOs TCPLossProbeRecovery TCPSACKReneging TCPAbortOnLinger TCPAbortOnMemory ' +
  'ListenOverflows TCPReqQFullDrop TCPAOGood TCPAOBad TCPAOKeyNotFound TCPAORequired TCPMemoryPressures TCPDeliveredCE TCPMinTTLDrop PAWSTimewait PAWSOldAck TCPACKSkippedTimeWait TCPACKSkippedFinWait2 RcvPruned OfoPruned TCPOFODrop ' +
  'TcpDuplicateDataRehash TCPSpuriousRtxHostQueues'
).split(' ');

it(`the sums hold in ${RUNS} runs with every mechanism on`, { timeout: 3_600_000 }, () => {
  const moved = new Set<number>();
  const wrong: string[] = [];
  const seeds = ONE === undefined ? Array.from({ length: RUNS }, (_, i) => i + 1) : [Number(ONE)];
  for (const seed of seeds) {
    try {
      for (const h of everythingRun(seed)) for (const c of counters) if (h.ledger.cells[GLOBAL_BASE + c.id]) moved.add(c.id);
    } catch (error) {
      wrong.push(error instanceof Error ? error.message : String(error));
    }
  }
  if (wrong.length > 0) throw new Error(`${wrong.length} of ${seeds.length} runs failed\n${wrong.slice(0, 5).join('\n')}`);
  if (ONE === undefined && RUNS >= 100) {
    const works = RUNS >= 1000 ? [...OFTEN, ...SELDOM] : OFTEN;
    const idle = works.filter((name) => !counters.some((c) => c.entry.name === name && moved.has(c.id)));
    expect(idle, 'mechanisms that no run has used').toEqual([]);
  }
});

describe('a run', () => {
  it('is the same for the same seed', () => {
    const cells = () => everythingRun(42).map((h) => h.ledger.cells.slice(GLOBAL_BASE, GLOBAL_BASE + counters.length));
    expect(cells()).toEqual(cells());
  });
});
