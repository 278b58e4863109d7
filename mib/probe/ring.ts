/**
 * The probe ring: fixed binary records of armed probes in shared memory, one producer (the stack's thread), one consumer (the daemon).
 * Never blocks the producer: what does not fit is counted per probe point, and the reader reports it as a gap, so that
 * events + gaps = the counter's delta. A gap has a sign, as increments have: the sum of what a gauge gained and lost.
 *
 *   Int32 words 0 head (next record to write, ever growing mod 2^32), 1 tail (next to read); from byte 64, Float64 each, the sum of lost
 *   increments per point and the number of lost records per point; then records of RECORD floats, a power of two of them.
 */
import { CELLS } from '../catalogue/index.js';
import { Col, headerAt } from '../ledger/layout.js';
import { PROBE_POINTS } from './points.js';

/** Float64 slots of a record. Addresses are not in it: they are read from the row, or from the packet fields for unattributed events. */
export const Rec = Object.freeze({
  point: 0,
  /** Increment, or arg0 of an event probe. */
  arg0: 1,
  arg1: 2,
  timeUs: 3,
  row: 4,
  generation: 5,
  state: 6,
  /** family * 256 + protocol; 0 without. */
  familyProtocol: 7,
  /** local port * 65536 + remote port. */
  ports: 8,
  local: 9, // 4 words
  remote: 13, // 4 words
  device: 17,
  /** Payload length of the packet at hand; -1 when there is none. */
  length: 18,
  flags: 19,
  seq: 20,
  ack: 21,
  window: 22,
  /** 1 received, 2 sent, 0 no packet at hand. */
  direction: 23,
  size: 24,
});
const RECORD = Rec.size;
const LOST_AT = 8; // float index
const LOST_RECORDS_AT = LOST_AT + PROBE_POINTS;
const RECORDS_AT = LOST_AT + ((2 * PROBE_POINTS + 7) & ~7);

/** Records a ring of so many floats holds: a power of two, so that head and tail may wrap at 2^32. */
function capacityOf(floats: number): number {
  const fit = Math.floor((floats - RECORDS_AT) / RECORD);
  if (fit < 1) throw new RangeError('the memory of the probe ring is too small for one record');
  return 2 ** Math.floor(Math.log2(fit));
}

/** What the stack is working on when a probe fires. The stack keeps it current; only armed probes read it. */
export class ProbeContext {
  timeUs = 0;
  direction = 0;
  device = 0;
  familyProtocol = 0;
  /** Addresses of the packet, local end first. */
  local0 = 0;
  local1 = 0;
  local2 = 0;
  local3 = 0;
  remote0 = 0;
  remote1 = 0;
  remote2 = 0;
  remote3 = 0;
  ports = 0;
  length = -1;
  flags = 0;
  seq = 0;
  ack = 0;
  window = 0;
}

export class ProbeRing {
  readonly context: ProbeContext = new ProbeContext();
  private readonly words: Int32Array;
  private readonly f: Float64Array;
  readonly capacity: number;
  private readonly mask: number;
  /** The ledger's memory as Int32, for the headers of rows. */
  private readonly ints: Int32Array;
  /** Some probe point is armed, so the context is to be kept filled. Set by the stack, from Ctl.armed. */
  armed = false;
  /** Called after a record was put into an empty ring, to wake the reader. */
  onRecord: () => void = () => {};

  /** @param ints the ledger's cells as Int32: rows are identified from their headers */
  constructor(memory: SharedArrayBuffer, ints: Int32Array) {
    this.words = new Int32Array(memory);
    this.f = new Float64Array(memory);
    this.capacity = capacityOf(this.f.length);
    this.mask = this.capacity - 1;
    this.ints = ints;
  }

  counter(id: number, n: number, row: number): void {
    this.put(id, n, 0, row);
  }
  event(point: number, arg0: number, arg1: number, row: number): void {
    this.put(point, arg0, arg1, row);
  }

  private put(point: number, arg0: number, arg1: number, row: number): void {
    const head = Atomics.load(this.words, 0);
    const tail = Atomics.load(this.words, 1);
    const used = (head - tail) | 0;
    if (used >= this.capacity) {
      this.f[LOST_AT + point]! += point < CELLS ? arg0 : 1;
      this.f[LOST_RECORDS_AT + point]! += 1;
      return;
    }
    const f = this.f;
    const at = RECORDS_AT + (head & this.mask) * RECORD;
    const c = this.context;
    f[at + Rec.point] = point;
    f[at + Rec.arg0] = arg0;
    f[at + Rec.arg1] = arg1;
    f[at + Rec.timeUs] = c.timeUs;
    f[at + Rec.row] = row;
    f[at + Rec.device] = c.device;
    f[at + Rec.length] = c.length;
    f[at + Rec.flags] = c.flags;
    f[at + Rec.seq] = c.seq;
    f[at + Rec.ack] = c.ack;
    f[at + Rec.window] = c.window;
    f[at + Rec.direction] = c.direction;
    if (row >= 0) this.identityOfRow(at, row);
    else this.identityOfPacket(at);
    Atomics.store(this.words, 0, (head + 1) | 0);
    if (used === 0) this.onRecord();
  }

  private identityOfRow(at: number, row: number): void {
    const f = this.f;
    const i = this.ints;
    const h = headerAt(row);
    f[at + Rec.generation] = i[h + Col.generation]!;
    f[at + Rec.state] = i[h + Col.state]!;
    f[at + Rec.familyProtocol] = i[h + Col.family]! * 256 + i[h + Col.protocol]!;
    f[at + Rec.ports] = i[h + Col.localPort]! * 65536 + i[h + Col.remotePort]!;
    for (let k = 0; k < 8; k++) f[at + Rec.local + k] = i[h + Col.local + k]! >>> 0;
  }

  private identityOfPacket(at: number): void {
    const f = this.f;
    const c = this.context;
    f[at + Rec.generation] = 0;
    f[at + Rec.state] = 0;
    f[at + Rec.familyProtocol] = c.familyProtocol;
    f[at + Rec.ports] = c.ports;
    f[at + Rec.local] = c.local0;
    f[at + Rec.local + 1] = c.local1;
    f[at + Rec.local + 2] = c.local2;
    f[at + Rec.local + 3] = c.local3;
    f[at + Rec.remote] = c.remote0;
    f[at + Rec.remote + 1] = c.remote1;
    f[at + Rec.remote + 2] = c.remote2;
    f[at + Rec.remote + 3] = c.remote3;
  }
}

/** The consumer's side. */
export class ProbeReader {
  private readonly words: Int32Array;
  private readonly f: Float64Array;
  private readonly mask: number;
  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
    this.f = new Float64Array(memory);
    this.mask = capacityOf(this.f.length) - 1;
  }
  /** Calls `each(cells, at)` for at most `max` waiting records; `cells[at + Rec.x]` are valid during the call only. */
  read(max: number, each: (cells: Float64Array, at: number) => void): number {
    let n = 0;
    let tail = Atomics.load(this.words, 1);
    while (n < max && tail !== Atomics.load(this.words, 0)) {
      each(this.f, RECORDS_AT + (tail & this.mask) * RECORD);
      tail = (tail + 1) | 0;
      Atomics.store(this.words, 1, tail);
      n++;
    }
    return n;
  }
  /** Sum of the increments of a counter (or the number of events of an event probe) that did not fit since the ring was made. */
  lost(point: number): number {
    return this.f[LOST_AT + point]!;
  }
  /** How many records of a probe point did not fit since the ring was made. */
  lostRecords(point: number): number {
    return this.f[LOST_RECORDS_AT + point]!;
  }
}
