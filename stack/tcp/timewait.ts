/**
 * TIME-WAIT (RFC 9293 3.10.7.4), and FIN-WAIT-2 of connections whose user has gone: what must still be answered needs a small entry
 * only (timewait-store.ts). It keeps the connection's 4-tuple and port until it ends. The connection's row is folded into the closed ones
 * when the entry begins: what happens to an entry is counted as unattributed. Readers see entries as rows without counters.
 *
 * In TIME-WAIT old segments are acknowledged (rate limited), a RST ends it (RFC 1337 warns; tcp_rfc1337 prevents), and a new SYN may
 * take the pair over when its sequence number or its timestamp is newer (RFC 6191).
 */
import { TcpExt } from '../../mib/catalogue/index.js';
import { Col, Info } from '../../mib/ledger/layout.js';
import { TimeWaitWriter } from '../../mib/ledger/time-wait.js';
import { Account } from '../core/host-limits.js';
import type { Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import { Flag, type TcpHeader } from '../wire/tcp.js';
import { Mark } from './accecn-state.js';
import { AoConnection } from './ao/connection-keys.js';
import type { Connection } from './connection.js';
import { EcnFlag, NEVER } from './constants.js';
import type { TimeWaitKeeper } from './contract.js';
import { inWindow, outOfWindowLimited, timestampMs } from './reply.js';
import { TcpState } from './state.js';
import { FlowKind } from './table.js';
import type { TcpLayer } from './tcp.js';
import { type TimeWait, TimeWaitStore } from './timewait-store.js';

/** TCP_TIMEWAIT_LEN. */
export const TIME_WAIT_US = 60_000_000;
/** Entries of a first period up to this are counted TWKilled. */
const SHORT_US = 4_000_000;
const PAWS_MAX_AGE_US = 24 * 86400e6;
const MSL_US = 60e6;
/** How far above the old connection's numbers a new one starts: out of any window. */
const REUSE_GAP = 65535 + 2;

/** What the layer does with a segment after the entry has seen it. */
export const Verdict = Object.freeze({ done: 0, newConnection: 1 });

export class TimeWaitTable implements TimeWaitKeeper {
  private readonly tcp: TcpLayer;
  private readonly store: TimeWaitStore;
  /** What readers see. */
  private readonly shown: TimeWaitWriter;
  /** The sequence number for a SYN that takes a pair over. */
  reuseIsn = 0;

  constructor(tcp: TcpLayer) {
    this.tcp = tcp;
    const { timers, ledger } = tcp.env;
    this.store = new TimeWaitStore(timers, ledger.unattributed, (i) => this.end(this.store.load(i)));
    this.shown = new TimeWaitWriter(ledger.memory);
    tcp.table.side = this.store;
  }

  enter(c: Connection, substate: number, timeoutUs: number): boolean {
    const tcp = this.tcp;
    const { limits } = tcp.env;
    if (this.store.count + limits.others(Account.timeWaits) >= tcp.env.sysctl.values[Sysctl.tcp_max_tw_buckets]!) {
      c.owner.inc(TcpExt.TCPTimeWaitOverflow);
      return false;
    }
    const period = substate === TcpState.TIME_WAIT ? TIME_WAIT_US : Math.max(timeoutUs, c.rtoUs * 3.5);
    c.owner.inc(period <= SHORT_US ? TcpExt.TWKilled : TcpExt.TW);
    tcp.table.remove(c);
    const binding = tcp.ports.handOver(c.binding, c.local);
    c.binding = null;
    const tw = this.store.take(c.hash, c.local, c.localPort, c.remote, c.remotePort, binding);
    fill(tw, c, substate);
    this.store.save();
    tcp.table.counts[FlowKind.timeWait] = this.store.count;
    this.shown.open(tw.index, c.family, c.local, c.localPort, c.remote, c.remotePort, substate);
    this.schedule(tw, period);
    this.fold(c, substate);
    return true;
  }

  /** The connection's row goes to the closed ones, and into the history as it ended. */
  private fold(c: Connection, substate: number): void {
    const ledger = this.tcp.env.ledger;
    ledger.setState(c.owner, substate);
    ledger.setColumn(c.owner, Col.timerKind, 0);
    ledger.setQueues(c.owner, 0, 0);
    ledger.setInfo(c.owner, Info.closedUs, this.tcp.env.nowUs);
    ledger.releaseRow(c.owner);
  }

  private schedule(tw: TimeWait, periodUs: number): void {
    const at = this.tcp.env.nowUs + periodUs;
    this.store.schedule(tw.index, at, periodUs === TIME_WAIT_US);
    this.shown.setTimer(tw.index, at);
  }

  /** Time over, killed, or taken over. */
  end(tw: TimeWait): void {
    const i = tw.index;
    if (i < 0) return;
    const tcp = this.tcp;
    this.shown.close(i);
    const binding = this.store.release(i);
    tcp.table.counts[FlowKind.timeWait] = this.store.count;
    if (binding) tcp.ports.release(binding);
  }
  endAll(): void {
    this.store.forEach((i) => {
      this.end(this.store.load(i));
    });
  }

  /** A segment for the pair. `newConnection`: a SYN that may take it over, with `reuseIsn`. */
  input(tw: TimeWait, p: Packet, h: TcpHeader): number {
    const nowUs = this.tcp.env.nowUs;
    let paws = false;
    let sawTs = false;
    if (h.dataOffset > 20 && tw.tsRecentUs >= 0) {
      h.parseOptions(p);
      sawTs = h.sawTs;
      if (sawTs) paws = pawsRejects(tw, h, nowUs);
    }
    if (tw.substate === TcpState.FIN_WAIT2) return this.finWait2(tw, p, h, paws, sawTs);
    const rst = (h.flags & Flag.RST) !== 0;
    if (!paws && h.seq === tw.rcvNxt && (h.seq === h.endSeq || rst)) {
      if (rst && this.tcp.env.sysctl.values[Sysctl.tcp_rfc1337] === 0) {
        this.end(tw);
        return Verdict.done;
      }
      if (!rst) this.schedule(tw, TIME_WAIT_US);
      if (sawTs) this.recordTimestamp(tw, h, nowUs);
      return Verdict.done;
    }
    const pureSyn = (h.flags & (Flag.SYN | Flag.RST | Flag.ACK)) === Flag.SYN;
    if (pureSyn && !paws && (((h.seq - tw.rcvNxt) | 0) > 0 || (sawTs && ((tw.tsRecent - h.tsVal) | 0) < 0))) {
      this.reuseIsn = (tw.sndNxt + REUSE_GAP) >>> 0 || 1;
      return Verdict.newConnection;
    }
    if (paws) tw.owner.inc(TcpExt.PAWSTimewait);
    if (rst) return Verdict.done;
    if (paws || h.flags & Flag.ACK) this.schedule(tw, TIME_WAIT_US);
    this.answerLimited(tw, p, h, TcpExt.TCPACKSkippedTimeWait);
    return Verdict.done;
  }

  /** The orphan's FIN-WAIT-2: waits for the FIN; new data is answered by RST, as nobody will read it. */
  private finWait2(tw: TimeWait, p: Packet, h: TcpHeader, paws: boolean, sawTs: boolean): number {
    if (paws || !inWindow(h.seq, h.endSeq, tw.rcvNxt, (tw.rcvNxt + tw.rcvWnd) >>> 0)) {
      this.answerLimited(tw, p, h, TcpExt.TCPACKSkippedFinWait2);
      return Verdict.done;
    }
    if (h.flags & Flag.RST) {
      this.end(tw);
      return Verdict.done;
    }
    if (h.flags & Flag.SYN && ((h.seq - tw.rcvNxt) | 0) >= 0) return this.reset(tw, p, h);
    if ((h.flags & Flag.ACK) === 0 || ((h.endSeq - tw.rcvNxt) | 0) <= 0 || h.endSeq === h.seq) return Verdict.done;
    if ((h.flags & Flag.FIN) === 0 || h.endSeq !== (tw.rcvNxt + 1) >>> 0) return this.reset(tw, p, h);
    tw.substate = TcpState.TIME_WAIT;
    this.shown.setState(tw.index, TcpState.TIME_WAIT);
    tw.rcvNxt = h.endSeq;
    this.store.save();
    if (sawTs) this.recordTimestamp(tw, h, this.tcp.env.nowUs);
    this.schedule(tw, TIME_WAIT_US);
    this.answer(tw, p, h);
    return Verdict.done;
  }

  private reset(tw: TimeWait, p: Packet, h: TcpHeader): number {
    this.tcp.sendReset(p, h, tw.owner, tw.txHash);
    this.end(tw);
    return Verdict.done;
  }

  private recordTimestamp(tw: TimeWait, h: TcpHeader, nowUs: number): void {
    tw.tsRecent = h.tsVal;
    tw.tsRecentUs = nowUs;
    this.store.save();
  }

  private answerLimited(tw: TimeWait, p: Packet, h: TcpHeader, skipped: number): void {
    if (outOfWindowLimited(this.tcp, h, tw.lastOowAckUs, skipped, tw.owner)) return;
    if (h.endSeq === h.seq || h.flags & Flag.SYN) {
      tw.lastOowAckUs = this.tcp.env.nowUs;
      this.store.save();
    }
    this.answer(tw, p, h, tw.tos & ~Mark.ce);
  }

  /** An ACK of what was received. */
  answer(tw: TimeWait, p: Packet, h: TcpHeader, tos: number = tw.tos): void {
    const clock = (timestampMs(this.tcp.env.nowUs) + tw.tsOffset) >>> 0;
    const ecr = tw.tsRecentUs >= 0 ? tw.tsRecent : 0;
    this.tcp.sendAck(p, h, tw.owner, tw.sndNxt, tw.rcvNxt, tw.rcvWnd >>> tw.rcvWscale, clock, ecr, tos, tw.txHash);
  }

  /**
   * May a new active open take this pair (RFC 6191, tcp_tw_reuse)? With timestamps only, and not within tcp_tw_reuse_delay when the port
   * was chosen by us (`chosen`). Gives the connection its numbers, counts TWRecycled, ends the entry.
   */
  reuse(tw: TimeWait, c: Connection, chosen: boolean, loopback: boolean): boolean {
    const sysctl = this.tcp.env.sysctl.values;
    let allowed = sysctl[Sysctl.tcp_tw_reuse]!;
    if (allowed === 2 && !loopback) allowed = 0;
    if (tw.substate === TcpState.FIN_WAIT2) allowed = 0;
    if (tw.tsRecentUs < 0) return false;
    const age = this.tcp.env.nowUs - tw.tsRecentUs;
    if (chosen && (allowed === 0 || age <= sysctl[Sysctl.tcp_tw_reuse_delay]! * 1000)) return false;
    c.iss = (tw.sndNxt + REUSE_GAP) >>> 0 || 1;
    c.tsRecent = tw.tsRecent;
    c.tsRecentUs = tw.tsRecentUs;
    tw.owner.inc(TcpExt.TWRecycled);
    this.end(tw);
    return true;
  }
}

/** What must be known of a connection to answer for it. */
function fill(tw: TimeWait, c: Connection, substate: number): void {
  tw.substate = substate;
  tw.sndNxt = c.sndNxt;
  tw.rcvNxt = c.rcvNxt;
  tw.rcvWnd = Math.max(0, (c.rcvWup + c.rcvWnd - c.rcvNxt) | 0);
  tw.rcvWscale = c.rcvWscale;
  tw.tsRecent = c.tsRecent;
  tw.tsRecentUs = c.tsOk && c.tsRecentUs >= 0 ? c.tsRecentUs : -1;
  tw.tsOffset = c.tsOffset;
  tw.txHash = c.txHash | 0;
  tw.tos = c.settings.tos | (c.ecn & EcnFlag.marked ? Mark.ect0 : 0);
  tw.lastOowAckUs = NEVER;
  if (c.signature instanceof AoConnection) c.signature.end();
  tw.signature = c.signature;
}

/** RFC 7323 5.3 R1 in TIME-WAIT; a RST is believed to be old only shortly after the last timestamp. */
function pawsRejects(tw: TimeWait, h: TcpHeader, nowUs: number): boolean {
  if (tw.tsRecent === 0 || ((h.tsVal - tw.tsRecent) | 0) >= 0) return false;
  const age = nowUs - tw.tsRecentUs;
  if (age >= PAWS_MAX_AGE_US) return false;
  return (h.flags & Flag.RST) === 0 || age < MSL_US;
}
