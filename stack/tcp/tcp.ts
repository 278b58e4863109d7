/**
 * TCP between IP and the connections: RFC 9293 3.10.7 from the outside. A segment's checks come in Linux's order (tcp_v4_rcv), each with
 * its counter: for this host alone, InSegs, length (silent) and data offset (InErrs), checksum (InCsumErrors, InErrs), then the owner of
 * its 4-tuple: a connection, a TIME-WAIT entry, a half-open request, a listener, nobody (RST).
 */
import { Icmp, Icmp6, Tcp, TcpExt } from '../../mib/catalogue/index.js';
import { Info } from '../../mib/ledger/layout.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import { Probe } from '../../mib/probe/points.js';
import { IpAddress } from '../core/address.js';
import { partialSum, pseudoSum } from '../core/checksum.js';
import type { Env } from '../core/env.js';
import { Account } from '../core/host-limits.js';
import { Csum, LinkType, MAX_FRAME, Packet } from '../core/packet.js';
import { Sysctl } from '../core/sysctl.js';
import { type IcmpError, type NetworkLayer, type ProtocolHandler, TX_TRANSPORT } from '../ip/protocol.js';
import type { SocketFilter } from '../socket/filter.js';
import { Flag, TCP_HEADER, TcpHeader } from '../wire/tcp.js';
import { AoConnection } from './ao/connection-keys.js';
import { Authentication, SILENT } from './authentication.js';
import { uncork } from './autocork.js';
import type { Connection } from './connection.js';
import { NumberPool } from './connection-numbers.js';
import type { TcpHost } from './contract.js';
import { FastOpenCache, FastOpenCookies } from './fastopen.js';
import { SequenceSource } from './isn.js';
import type { Listener } from './listener.js';
import { ListenerTable } from './listeners.js';
import { MetricsCache } from './metrics.js';
import { listenInput, requestInput, synInput } from './passive-open.js';
import { Ports } from './ports.js';
import { sendAck, sendReset } from './reply.js';
import type { Request } from './request.js';
import { TcpState } from './state.js';
import { SynCookies } from './syncookies.js';
import { type Flow, FlowKind, FlowTable } from './table.js';
import { TcpMemory } from './tcp-memory.js';
import { TimeWaitTable, Verdict } from './timewait.js';
import type { TimeWait } from './timewait-store.js';

const PROTOCOL_TCP = 6;

/** Has work for the end of a batch: a socket whose user is told once of all that the batch brought. */
export interface Drained {
  drained(): void;
}
const nobody: Drained = { drained() {} };

export class TcpLayer implements ProtocolHandler, TcpHost {
  readonly protocol = PROTOCOL_TCP;
  readonly env: Env;
  readonly scratch: Packet = new Packet(MAX_FRAME + TX_TRANSPORT);
  readonly table: FlowTable;
  readonly listeners: ListenerTable = new ListenerTable();
  readonly ports: Ports;
  readonly timeWait: TimeWaitTable;
  readonly authentication: Authentication = new Authentication(this.listeners);
  readonly numbers: NumberPool = new NumberPool();
  readonly memory: TcpMemory;
  readonly corked: Connection[] = [];
  readonly cookies: SynCookies;
  readonly metrics: MetricsCache;
  readonly fastOpen: FastOpenCache;
  readonly fastOpenCookies: FastOpenCookies;
  orphans = 0;
  challengeCount = 0;
  challengeStampUs = 0;
  private readonly sequence: SequenceSource;
  private readonly header: TcpHeader = new TcpHeader();
  private network4: NetworkLayer | null = null;
  private network6: NetworkLayer | null = null;
  /** What demux found for the packet whose input follows. */
  private foundFor: Packet | null = null;
  private foundFlow: Flow | null = null;
  private foundListener: Listener | null = null;
  /** Frames are being taken: what can wait for the end of the batch says so by `atDrain`. */
  draining = false;
  private readonly waiting: Drained[] = [];
  private waitingCount = 0;

  constructor(env: Env) {
    this.env = env;
    this.table = new FlowTable(env.secret);
    this.ports = new Ports(env.sysctl, env.random, env.siblings);
    this.memory = new TcpMemory(env, () => this.table.counts[FlowKind.connection]!);
    this.timeWait = new TimeWaitTable(this);
    this.cookies = new SynCookies(env.secret);
    this.metrics = new MetricsCache(env);
    this.fastOpen = new FastOpenCache(env);
    this.fastOpenCookies = new FastOpenCookies(env.secret);
    this.sequence = new SequenceSource(env.secret);
  }

  /** Joins the layer to a network layer of either family. */
  attach(network: NetworkLayer): void {
    if (network.family === 4) this.network4 = network;
    else this.network6 = network;
    network.register(this);
  }
  network(family: 4 | 6): NetworkLayer {
    const n = family === 4 ? this.network4 : this.network6;
    if (!n) throw new Error(`no IPv${family} layer is attached`);
    return n;
  }
  has(family: 4 | 6): boolean {
    return (family === 4 ? this.network4 : this.network6) !== null;
  }

  /** Whoever puts something off to the end of a batch of frames calls this once; `drained` is called after the batch. */
  atDrain(d: Drained): void {
    this.waiting[this.waitingCount++] = d;
  }
  /** The stack's loop takes frames from here on. */
  beforeDrain(): void {
    this.draining = true;
  }
  /** The stack's loop has taken the frames of this batch. */
  afterDrain(): void {
    this.draining = false;
    for (let i = 0; i < this.waitingCount; i++) {
      const d = this.waiting[i]!;
      this.waiting[i] = nobody;
      d.drained();
    }
    this.waitingCount = 0;
    if (this.corked.length > 0) this.uncorkAll();
  }

  /** The end of a batch of one of several stacks: what this one holds of what is limited for the host. */
  showParts(): void {
    this.memory.showPart();
    this.env.limits.show(Account.orphans, this.orphans, 1);
    this.env.limits.show(Account.timeWaits, this.table.counts[FlowKind.timeWait]!, 1);
  }

  /** Frames or errors have come: the neighbour that segments wait for may be known now, or known to be gone. */
  private uncorkAll(): void {
    for (const c of this.corked.splice(0)) if (!uncork(c)) this.corked.push(c);
  }

  // ---- inbound

  demux(p: Packet): Owner {
    this.foundFor = null;
    const unowned = this.env.ledger.unattributed;
    if (p.tail - p.transport < TCP_HEADER || p.linkType !== LinkType.host) return unowned;
    this.lookUp(p, p.view.getUint16(p.transport), p.view.getUint16(p.transport + 2));
    this.foundFor = p;
    if (this.foundFlow) return this.foundFlow.owner;
    return this.foundListener ? this.foundListener.owner : unowned;
  }

  private lookUp(p: Packet, sourcePort: number, destinationPort: number): void {
    this.foundFlow = this.table.find(p, sourcePort, destinationPort);
    this.foundListener = this.foundFlow ? null : this.listeners.find(p, destinationPort, sourcePort);
  }

  input(p: Packet, owner: Owner): void {
    const h = this.header;
    if (p.linkType !== LinkType.host) return; // nobody sent it to us: not even InSegs
    owner.inc(Tcp.InSegs);
    if (!h.parse(p)) {
      if (p.tail - p.transport >= TCP_HEADER && h.dataOffset < TCP_HEADER) owner.inc(Tcp.InErrs);
      return;
    }
    if (p.csum === Csum.none && !checksumGood(p)) {
      owner.inc(Tcp.InCsumErrors);
      owner.inc(Tcp.InErrs);
      return;
    }
    owner.fire(Probe.tcpReceive, h.length, h.flags);
    if (this.foundFor !== p) this.lookUp(p, h.sourcePort, h.destinationPort);
    this.foundFor = null;
    const flow = this.foundFlow;
    if (flow === null) {
      if (this.foundListener) this.toListener(this.foundListener, p, h);
      else this.toNobody(p, h, owner);
    } else if (flow.flowKind === FlowKind.connection) this.toConnection(flow as Connection, p, h);
    else if (flow.flowKind === FlowKind.timeWait) this.toTimeWait(flow as TimeWait, p, h);
    else this.toRequest(flow as Request, p, h);
  }

  /** Nobody listens there: RST. */
  private toNobody(p: Packet, h: TcpHeader, owner: Owner): void {
    if ((h.flags & (Flag.SYN | Flag.ACK)) === Flag.SYN) owner.fire(Probe.tcpAcceptRefused, h.sourcePort, h.destinationPort);
    if (this.authentication.forNobody(p, h) !== SILENT) this.sendReset(p, h, owner);
  }

  private toConnection(c: Connection, p: Packet, h: TcpHeader): void {
    if (c.settings.minTtl > p.ttl) {
      c.owner.inc(TcpExt.TCPMinTTLDrop);
      return;
    }
    if (this.authentication.refusedBy(c, p, h)) return;
    const filter = c.settings.filter;
    if (filter !== null && this.filtered(filter, p, h, c.owner)) return;
    c.input(p, h);
  }

  /** SO_ATTACH_FILTER: true when the program lets nothing through, which Linux counts as the socket's drop alone; else what it leaves of the text. */
  private filtered(filter: SocketFilter, p: Packet, h: TcpHeader, owner: Owner): boolean {
    const keep = filter.run(p, p.transport);
    if (keep === 0) {
      this.env.ledger.addInfo(owner, Info.drops, 1);
      return true;
    }
    const cut = h.length - Math.max(0, keep - h.dataOffset);
    if (cut <= 0) return false;
    p.tail -= cut;
    h.length -= cut;
    h.endSeq = (h.endSeq - cut) >>> 0;
    return false;
  }

  private toListener(l: Listener, p: Packet, h: TcpHeader): void {
    if (l.settings.minTtl > p.ttl) {
      l.owner.inc(TcpExt.TCPMinTTLDrop);
      return;
    }
    if (this.authentication.refusedByListener(l, null, p, h)) return;
    if (l.settings.filter !== null && this.filtered(l.settings.filter, p, h, l.owner)) return;
    listenInput(l, p, h);
  }

  private toRequest(r: Request, p: Packet, h: TcpHeader): void {
    const l = r.listener.takerOf(r);
    if (!l) {
      // its listener has closed, and nobody took it over: as if it had never been
      r.listener.dropRequest(r);
      const other = this.listeners.find(p, h.destinationPort, h.sourcePort);
      if (other) this.toListener(other, p, h);
      else this.toNobody(p, h, r.owner);
      return;
    }
    if (this.authentication.refusedByListener(l, r, p, h)) return;
    if (l.settings.filter !== null && this.filtered(l.settings.filter, p, h, l.owner)) return;
    if (requestInput(r, l, p, h)) this.toListener(l, p, h);
  }

  private toTimeWait(tw: TimeWait, p: Packet, h: TcpHeader): void {
    this.authentication.forTimeWait(tw.signature, p, h);
    if (this.timeWait.input(tw, p, h) !== Verdict.newConnection) return;
    const isn = this.timeWait.reuseIsn;
    const l = this.listeners.find(p, h.destinationPort, h.sourcePort);
    if (!l) {
      this.timeWait.answer(tw, p, h);
      return;
    }
    this.timeWait.end(tw);
    if (l.settings.minTtl > p.ttl) l.owner.inc(TcpExt.TCPMinTTLDrop);
    else if (!this.authentication.refusedByListener(l, null, p, h) && (h.flags & Flag.FIN) === 0) synInput(l, p, h, isn);
  }

  // ---- ICMP errors that quote a segment of ours

  icmpError(e: IcmpError): void {
    const p = e.packet;
    const unowned = this.env.ledger.unattributed;
    const flow = p && e.quoted >= 8 ? this.quotedFlow(e, p) : null;
    if (flow === null || p === null) {
      unowned.inc(e.family === 4 ? Icmp.InErrors : Icmp6.InErrors);
      return;
    }
    const s = flow.flowKind === FlowKind.request ? null : (flow as Connection | TimeWait).signature;
    if (s instanceof AoConnection && hardError(e) && s.ignoresIcmp(flow)) return;
    if (flow.flowKind === FlowKind.connection) {
      (flow as Connection).icmpError(e);
      if (this.corked.length > 0) this.uncorkAll();
    } else if (flow.flowKind === FlowKind.request) this.requestError(flow as Request, e, p.view.getUint32(e.transport + 4));
  }

  quotes(e: IcmpError): boolean {
    const p = e.packet;
    return p !== null && e.quoted >= 8 && this.quotedFlow(e, p) !== null;
  }
  /**
   * A flow that is known here; a SYN for a listener, since a new connection lives where its first segment comes; and what belongs to nobody
   * anywhere. Other segments that only a listener would take may be of a connection elsewhere.
   */
  ours(p: Packet): boolean {
    if (this.foundFor !== p || this.foundFlow !== null) return true;
    if (this.foundListener === null) return false;
    return (p.bytes[p.transport + 13]! & (Flag.SYN | Flag.ACK | Flag.RST)) === Flag.SYN;
  }

  private quotedFlow(e: IcmpError, p: Packet): Flow | null {
    const family = e.family === 6 ? 6 : 4;
    const local = new IpAddress(family, e.local0, e.local1, e.local2, e.local3);
    const remote = new IpAddress(family, e.remote0, e.remote1, e.remote2, e.remote3);
    return this.table.lookup(local, p.view.getUint16(e.transport), remote, p.view.getUint16(e.transport + 2));
  }

  /** A half-open request is forgotten when the way to its peer is broken (RFC 1122 4.2.3.9), if the error quotes our SYN-ACK. */
  private requestError(r: Request, e: IcmpError, seq: number): void {
    if (seq !== r.sndIsn) {
      r.owner.inc(TcpExt.OutOfWindowIcmps);
      return;
    }
    const broken = e.family === 4 ? e.type === 12 || e.type === 11 || (e.type === 3 && e.code <= 1) : e.fatal;
    if (!broken) return;
    const l = r.listener;
    l.dropRequest(r);
    l.owner.inc(TcpExt.ListenDrops);
  }

  // ---- what connections ask of the layer

  initialSequence(c: Connection): number {
    return this.sequenceFor(c);
  }
  sequenceFor(f: Flow): number {
    return this.sequence.initialSequence(f.local, f.localPort, f.remote, f.remotePort, this.env.nowUs);
  }
  timestampOffset(c: Connection): number {
    return this.offsetFor(c.local, c.remote);
  }
  /** 0 when tcp_timestamps is 2: the plain clock. */
  offsetFor(local: IpAddress, remote: IpAddress): number {
    return this.env.sysctl.values[Sysctl.tcp_timestamps] === 1 ? this.sequence.timestampOffset(local, remote) : 0;
  }
  portOffset(local: IpAddress, remote: IpAddress, remotePort: number): number {
    return this.sequence.portOffset(local, remote, remotePort);
  }
  sendReset(p: Packet, h: TcpHeader, owner: Owner, txHash = 0): void {
    const signer = this.authentication.forReset(p, h, h.flags & Flag.ACK ? h.ack : 0);
    if (signer !== SILENT) sendReset(this, p, h, owner, txHash, signer);
  }
  /** A bare ACK of a half-open request or a TIME-WAIT entry. */
  sendAck(
    p: Packet,
    h: TcpHeader,
    owner: Owner,
    seq: number,
    ack: number,
    window: number,
    tsVal: number,
    tsEcr: number,
    tos: number,
    txHash: number,
  ): void {
    const signer = this.authentication.forAck(p, h, seq);
    if (signer !== SILENT) sendAck(this, p, h, owner, seq, ack, window, tsVal, tsEcr, tos, txHash, signer);
  }

  remove(c: Connection): void {
    this.table.remove(c);
    if (c.binding && !c.binding.held) this.ports.release(c.binding);
    c.binding = null;
    this.env.ledger.setInfo(c.owner, Info.closedUs, this.env.nowUs);
    this.env.ledger.releaseRow(c.owner);
  }

  /** Ends everything: connections are reset, listeners closed. For an orderly stop. */
  close(): void {
    this.listeners.forEach((l) => {
      l.close();
    });
    this.table.forEach((f) => {
      if (f.flowKind === FlowKind.connection) {
        const c = f as Connection;
        if (c.state !== TcpState.CLOSE) c.abort(0);
      } else if (f.flowKind === FlowKind.request) (f as Request).listener.dropRequest(f as Request);
    });
    this.timeWait.endAll();
  }
}

/** Sum of pseudo-header and segment is all ones. A segment never has the destination 0 here. */
function checksumGood(p: Packet): boolean {
  const length = p.tail - p.transport;
  const sum = partialSum(p, p.transport, length) + pseudoSum(p, PROTOCOL_TCP, length);
  return sum % 0xffff === 0 && sum !== 0;
}

/** The errors that a signed connection does not believe (RFC 5925 7.8). */
function hardError(e: IcmpError): boolean {
  if (e.family === 4) return e.type === 3 && e.code >= 2 && e.code <= 4;
  return e.type === 1 && (e.code === 1 || e.code === 4);
}
