/**
 * The ledger: the only place where a counter moves. One writer, the stack's thread.
 *
 * `owner.inc(id)` is one call for all scopes: the global cell, the cell of the row that caused the event, and the probe gate. What no row
 * owns goes to the unattributed cells, which are real: nothing is obtained by subtraction, so that
 * connections + listeners + endpoints + closed + unattributed = global is a test and not a definition.
 */
import { CELLS, counters } from '../catalogue/index.js';
import { Dev } from '../catalogue/interface.js';
import { ProbeRing } from '../probe/ring.js';
import { SocketGauges } from './gauges.js';
import {
  CLOSED_BASE,
  Col,
  deviceCell,
  HEADER_FLOATS,
  HEADER_INTS,
  HISTORY_BASE,
  HISTORY_ROWS,
  headerAt,
  MAX_DEVICES,
  PART,
  PART_DISTANCE,
  PUBLISHED_CELLS,
  ROW_CELLS_AT,
  ROW_STRIDE,
  RowKind,
  rowAt,
  rowColumns,
  rowIds,
  UNATTRIBUTED_BASE,
} from './layout.js';
import { Ctl, type LedgerMemory, Pub } from './memory.js';

const identityColumns = Int32Array.from({ length: CELLS }, (_, i) => i);

/**
 * Whoever an event is counted on: a row, or the unattributed rest. A UDP row's columns lie over those that a TCP row has for Tcp and
 * TcpExt: a row counts only what its protocol can.
 */
export class Owner {
  readonly ledger: Ledger;
  /** Row number; -1 for the unattributed cells. */
  row: number;
  private readonly cells: Float64Array;
  private readonly gates: Uint8Array;
  private columns: Int32Array;
  private base: number;

  constructor(ledger: Ledger, row: number) {
    this.ledger = ledger;
    this.cells = ledger.cells;
    this.gates = ledger.gates;
    this.row = row;
    this.columns = row < 0 ? identityColumns : rowColumns;
    this.base = row < 0 ? UNATTRIBUTED_BASE : rowAt(row) + ROW_CELLS_AT;
  }

  /** One event. */
  inc(id: number): void {
    const cells = this.cells;
    cells[id]! += 1;
    const column = this.columns[id]!;
    if (column >= 0) cells[this.base + column]! += 1;
    else cells[UNATTRIBUTED_BASE + id]! += 1;
    if (this.gates[id] !== 0) this.ledger.ring.counter(id, 1, this.row);
  }

  /** n events of one kind at once (segments of a super-frame, octets). n may be negative for a gauge. */
  add(id: number, n: number): void {
    const cells = this.cells;
    cells[id]! += n;
    const column = this.columns[id]!;
    if (column >= 0) cells[this.base + column]! += n;
    else cells[UNATTRIBUTED_BASE + id]! += n;
    if (this.gates[id] !== 0 && n !== 0) this.ledger.ring.counter(id, n, this.row);
  }

  /** An event probe (state change, send, receive): not a counter, so only the gate is looked at. */
  fire(point: number, arg0: number, arg1: number): void {
    if (this.gates[point] !== 0) this.ledger.ring.event(point, arg0, arg1, this.row);
  }

  /** From now on counts go to the unattributed cells: the row has been given back. */
  detach(): void {
    this.row = -1;
    this.columns = identityColumns;
    this.base = UNATTRIBUTED_BASE;
  }
}

/** Counters of one interface. */
export class DeviceCells {
  private readonly cells: Float64Array;
  private readonly base: number;
  constructor(ledger: Ledger, device: number) {
    this.cells = ledger.cells;
    this.base = deviceCell(device, 0);
  }
  inc(column: number): void {
    this.cells[this.base + column]! += 1;
  }
  add(column: number, n: number): void {
    this.cells[this.base + column]! += n;
  }
  /** A received frame of n octets. */
  rx(n: number): void {
    this.cells[this.base + Dev.rxPackets]! += 1;
    this.cells[this.base + Dev.rxBytes]! += n;
  }
  /** A frame of n octets that the link took. */
  tx(n: number): void {
    this.cells[this.base + Dev.txPackets]! += 1;
    this.cells[this.base + Dev.txBytes]! += n;
  }
}

export class Ledger {
  readonly memory: LedgerMemory;
  readonly cells: Float64Array;
  readonly gates: Uint8Array;
  readonly control: Int32Array;
  readonly ring: ProbeRing;
  /** Int32 view of the same memory as `cells`, for row headers. */
  readonly ints: Int32Array;
  readonly maxRows: number;
  /** Events that no row owns. */
  readonly unattributed: Owner;
  private readonly gauges: SocketGauges;
  private readonly published: Float64Array;
  private readonly free: number[] = [];
  private rowsTop = 0;
  private rowsUsed = 0;
  private othersUsed = 0;
  private devices = 0;
  private batch = 0;

  /** @param startedAtUs the stack's clock when counting began; @param wallOffsetUs what to add to get Unix time in µs */
  constructor(memory: LedgerMemory, startedAtUs: number, wallOffsetUs: number) {
    this.memory = memory;
    this.cells = new Float64Array(memory.cells);
    this.ints = new Int32Array(memory.cells);
    this.gauges = new SocketGauges(this.cells, this.ints);
    this.gates = new Uint8Array(memory.gates);
    this.control = new Int32Array(memory.control);
    this.published = new Float64Array(memory.published);
    this.maxRows = memory.maxRows;
    this.ring = new ProbeRing(memory.ring, this.ints);
    this.published[Pub.startedAtUs] = startedAtUs;
    this.published[Pub.wallOffsetUs] = wallOffsetUs;
    this.unattributed = new Owner(this, -1);
    for (const c of counters) if (c.entry.kind === 'constant') this.cells[c.id] = c.entry.value ?? 0;
  }

  /** Sets a constant (Ip.Forwarding, …): configuration that the kernel prints among its counters. No row has a share in it. */
  setConstant(id: number, value: number): void {
    this.cells[id] = value;
  }

  /** The next free device block; devices are never given back. */
  addDevice(): DeviceCells {
    if (this.devices >= MAX_DEVICES) throw new RangeError(`at most ${MAX_DEVICES} interfaces`);
    return new DeviceCells(this, this.devices++);
  }

  /**
   * Takes a row. With none left the events go to the unattributed cells, and Ctl.rowsExhausted says how often. Readers see a row from the
   * moment its `protocol` column is set: set that one last, and say `show` then.
   */
  takeRow(kind: RowKind): Owner {
    const row = this.free.pop() ?? (this.rowsTop < this.maxRows ? this.rowsTop++ : -1);
    if (row < 0) {
      Atomics.add(this.control, Ctl.rowsExhausted, 1);
      return new Owner(this, -1);
    }
    const at = this.headerAt(row);
    const ints = this.ints;
    ints[at + Col.seq]! += 1;
    const generation = (ints[at + Col.generation]! + 1) & 0x7fffffff;
    const seq = ints[at + Col.seq]!;
    ints.fill(0, at, at + HEADER_INTS);
    ints[at + Col.seq] = seq;
    ints[at + Col.generation] = generation;
    ints[at + Col.kind] = kind;
    ints[at + Col.listener] = -1;
    ints[at + Col.inode] = row + 1;
    ints[at + Col.row] = row;
    Atomics.add(ints, at + Col.seq, 1);
    this.countRow(kind, 1);
    Atomics.store(this.control, Ctl.rowsTop, this.rowsTop);
    return new Owner(this, row);
  }

  /**
   * Folds a row's cells into `closed`, remembers it in the history and gives it back. The owner goes on counting as unattributed. What the
   * row holds is zeroed now, and only what is not zero already: so the next user finds it clean, and pages that were never written stay so.
   */
  releaseRow(owner: Owner): void {
    const row = owner.row;
    if (row < 0) return;
    const cells = this.cells;
    const at = rowAt(row);
    const header = headerAt(row);
    this.gauges.hide(header);
    const ids = rowIds(this.ints[header + Col.protocol]!);
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      const n = cells[at + ROW_CELLS_AT + rowColumns[id]!]!;
      if (n !== 0) cells[CLOSED_BASE + id]! += n;
    }
    const closings = Atomics.load(this.control, Ctl.closings);
    const history = HISTORY_BASE + ((closings >>> 0) % HISTORY_ROWS) * ROW_STRIDE;
    for (let part = 0; part < 3; part++) {
      const from = at + part * PART_DISTANCE;
      cells.copyWithin(history + part * PART, from, from + PART);
    }
    Atomics.store(this.control, Ctl.closings, (closings + 1) | 0);
    Atomics.add(this.ints, header + Col.seq, 1);
    this.countRow(this.ints[header + Col.kind]!, -1);
    this.ints[header + Col.kind] = RowKind.free;
    for (let part = 0; part < 3; part++) {
      const from = at + part * PART_DISTANCE;
      for (let i = part === 0 ? HEADER_FLOATS : 0; i < PART; i++) if (cells[from + i] !== 0) cells[from + i] = 0;
    }
    Atomics.add(this.ints, header + Col.seq, 1);
    this.free.push(row);
    owner.detach();
  }

  private countRow(kind: number, n: number): void {
    this.rowsUsed += n;
    Atomics.store(this.control, Ctl.rowsUsed, this.rowsUsed);
    if (kind === RowKind.connection) return;
    this.othersUsed += n;
    Atomics.store(this.control, Ctl.othersUsed, this.othersUsed);
  }

  /** Int32 index of a row's header. */
  headerAt(row: number): number {
    return headerAt(row);
  }
  /** Float index of a row. */
  rowAt(row: number): number {
    return rowAt(row);
  }

  /** A row's identity is written, anew or for the first time: from now on it counts among the sockets. */
  show(owner: Owner): void {
    if (owner.row >= 0) this.gauges.show(this.headerAt(owner.row));
  }
  /** The one way to write a row's state. */
  setState(owner: Owner, state: number): void {
    if (owner.row >= 0) this.gauges.setState(this.headerAt(owner.row), state);
  }
  /** The one way to write what a row's queues hold: octets; a listener's connections and its backlog. */
  setQueues(owner: Owner, received: number, sent: number): void {
    if (owner.row >= 0) this.gauges.setQueues(this.headerAt(owner.row), received, sent);
  }

  /** Writes one header column of a row, of those that have no way of their own; no-op for the unattributed owner. */
  setColumn(owner: Owner, column: number, value: number): void {
    if (owner.row < 0) return;
    this.ints[this.headerAt(owner.row) + column] = value;
  }
  setInfo(owner: Owner, info: number, value: number): void {
    if (owner.row < 0) return;
    this.cells[this.rowAt(owner.row) + info] = value;
  }

  addInfo(owner: Owner, info: number, n: number): void {
    if (owner.row >= 0) this.cells[this.rowAt(owner.row) + info]! += n;
  }

  /** Called by the stack's loop between batches: answers a reader's request for a snapshot. */
  batchBorder(nowUs: number): void {
    this.batch++;
    const requested = Atomics.load(this.control, Ctl.requested);
    if (requested !== Atomics.load(this.control, Ctl.published)) this.publish(nowUs, requested);
  }

  private publish(nowUs: number, requested: number): void {
    Atomics.add(this.control, Ctl.publishSeq, 1);
    this.published[Pub.takenAtUs] = nowUs;
    this.published[Pub.batch] = this.batch;
    this.published.set(this.cells.subarray(0, PUBLISHED_CELLS), Pub.header);
    Atomics.add(this.control, Ctl.publishSeq, 1);
    Atomics.store(this.control, Ctl.published, requested);
    Atomics.notify(this.control, Ctl.published);
  }
}
