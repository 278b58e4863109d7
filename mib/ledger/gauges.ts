/**
 * How many sockets there are, by kind and state, and what their queues hold: kept by the writer as rows come, change and go, so that a scrape
 * reads a few cells and not a million rows. They lie with the published cells: a snapshot has those of its own moment. A row is
 * counted from the time it is shown until it is given back.
 */
import { Col, GAUGES_BASE, Gauge, RowKind } from './layout.js';

const TCP = 6;
const UDP = 17;
const UDP_LITE = 136;

/** TIME-WAIT entries and requests have a state, and are nobody's socket. */
function isSocket(kind: number): boolean {
  return kind !== RowKind.timeWait && kind !== RowKind.request;
}

/** The stack's pen. */
export class SocketGauges {
  private readonly cells: Float64Array;
  private readonly ints: Int32Array;

  /** @param ints the same memory as `cells` */
  constructor(cells: Float64Array, ints: Int32Array) {
    this.cells = cells;
    this.ints = ints;
  }

  /** The row's identity is written. May be told again when its ends have changed; family and protocol stay. @param header Int32 index of its header */
  show(header: number): void {
    this.hide(header);
    this.ints[header + Col.counted] = 1;
    this.add(header, 1);
  }

  /** The row is about to be given back, or to change who it is. */
  hide(header: number): void {
    if (this.ints[header + Col.counted] === 0) return;
    this.ints[header + Col.counted] = 0;
    this.add(header, -1);
  }

  /** A row's state changes. */
  setState(header: number, state: number): void {
    const ints = this.ints;
    if (ints[header + Col.counted] !== 0 && ints[header + Col.protocol] === TCP) {
      this.cells[GAUGES_BASE + Gauge.tcpState + ints[header + Col.state]!]! -= 1;
      this.cells[GAUGES_BASE + Gauge.tcpState + state]! += 1;
    }
    ints[header + Col.state] = state;
  }

  /** Octets in a row's queues. */
  setQueues(header: number, received: number, sent: number): void {
    const ints = this.ints;
    if (ints[header + Col.counted] !== 0)
      this.addQueues(header, received - ints[header + Col.recvQ]!, sent - ints[header + Col.sendQ]!);
    ints[header + Col.recvQ] = received;
    ints[header + Col.sendQ] = sent;
  }

  private add(header: number, sign: number): void {
    const { cells, ints } = this;
    const six = ints[header + Col.family] === 6 ? 1 : 0;
    const protocol = ints[header + Col.protocol];
    if (protocol === TCP) {
      cells[GAUGES_BASE + Gauge.tcpState + ints[header + Col.state]!]! += sign;
      if (!isSocket(ints[header + Col.kind]!)) return;
      cells[GAUGES_BASE + Gauge.tcp4 + six]! += sign;
    } else if (protocol === UDP) cells[GAUGES_BASE + Gauge.udp4 + six]! += sign;
    else if (protocol === UDP_LITE) cells[GAUGES_BASE + Gauge.udpLite4 + six]! += sign;
    else cells[GAUGES_BASE + Gauge.ping]! += sign;
    this.addQueues(header, sign * ints[header + Col.recvQ]!, sign * ints[header + Col.sendQ]!);
  }

  private addQueues(header: number, received: number, sent: number): void {
    const ints = this.ints;
    const protocol = ints[header + Col.protocol];
    let at: number;
    if (protocol === TCP) {
      const kind = ints[header + Col.kind]!;
      if (kind === RowKind.listener || !isSocket(kind)) return; // a listener's queues hold connections
      at = Gauge.tcpReceiveQueue;
    } else if (protocol === UDP) at = ints[header + Col.family] === 6 ? Gauge.udp6ReceiveQueue : Gauge.udp4ReceiveQueue;
    else return;
    this.cells[GAUGES_BASE + at]! += received;
    this.cells[GAUGES_BASE + at + 1]! += sent;
  }
}
