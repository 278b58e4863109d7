/**
 * Counters that Linux 6.18 no longer prints (older kernels do) or prints elsewhere (/proc/net/sctp/snmp), for which netstat 2.10 has
 * sentences. This stack has no cells for them; they are here so that any kernel's files are printed as the real netstat prints them.
 */
import type { Print } from './entry.js';

export interface Sentence {
  readonly name: string;
  readonly print: Print;
  /** `%` for the value. */
  readonly sentence: string;
}

const opt = (name: string, sentence: string): Sentence => ({ name, print: 'nonzero', sentence });
const always = (name: string, sentence: string): Sentence => ({ name, print: 'always', sentence });

/** TcpExt counters of older kernels. */
export const legacyTcpExt: readonly Sentence[] = [
  opt('PAWSPassive', '% passive connections rejected because of time stamp'),
  opt('SockMallocOOM', 'Ran % times out of system memory during packet sending'),
  opt('TCPAbortOnSyn', '% connections reset due to unexpected SYN'),
  opt('TCPDirectCopyFromBacklog', '% bytes directly in process context from backlog'),
  opt('TCPFACKReorder', 'Detected reordering % times using FACK'),
  opt('TCPForwardRetrans', '% forward retransmits'),
  opt('TCPHPHitsToUser', '% packet headers predicted and directly queued to user'),
  opt('TCPLostRetransmits', '% retransmits lost'),
  opt('TCPPrequeued', '% packets directly queued to recvmsg prequeue'),
  opt('TCPSchedulerFailed', '% times receiver scheduled too late for direct processing'),
];

/** /proc/net/sctp/snmp, whose names carry the group. Three sentences end in a blank, as in the original. */
export const sctp: readonly Sentence[] = [
  always('SctpAborteds', '% Number of Aborteds '),
  always('SctpActiveEstabs', '% Active Associations'),
  always('SctpChecksumErrors', '% Number of Packets with invalid Checksum'),
  always('SctpCurrEstab', '% Current Associations'),
  always('SctpFragUsrMsgs', '% Number of messages fragmented'),
  always('SctpInCtrlChunks', '% Number of control chunks received'),
  always('SctpInOrderChunks', '% Number of ordered chunks received'),
  always('SctpInSCTPPacks', '% Number of SCTP packets received'),
  always('SctpInUnorderChunks', '% Number of Unordered chunks received'),
  always('SctpOutCtrlChunks', '% Number of control chunks sent'),
  always('SctpOutOfBlues', '% Number of Out of Blue packets'),
  always('SctpOutOrderChunks', '% Number of ordered chunks sent'),
  always('SctpOutSCTPPacks', '% Number of SCTP packets sent'),
  always('SctpOutUnorderChunks', '% Number of Unordered chunks sent'),
  always('SctpPassiveEstabs', '% Passive Associations'),
  always('SctpReasmUsrMsgs', '% Number of messages reassembled '),
  always('SctpShutdowns', '% Number of Graceful Terminations'),
];
