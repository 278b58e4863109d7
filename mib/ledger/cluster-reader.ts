/**
 * Several ledgers read as one: those of the stacks that are one host. Global cells are summed, as Linux folds its CPUs; rows of all are
 * numbered through, ledger after ledger; a socket that is in every stack is one row (twins.ts); probe records come from all rings.
 *
 * A row's number is its number in its ledger plus `span` for every ledger before. An id that was told once stays the same row's.
 *
 * Each ledger's snapshot is exact at a batch border of its own stack. They are asked at once and not at the same instant: a frame that one
 * stack has passed to another between the two is counted by neither yet.
 */
import { CELLS, counters } from '../catalogue/index.js';
import { Rec } from '../probe/ring.js';
import { Snapshot } from '../snapshot.js';
import {
  CLOSED_BASE,
  Col,
  CopyInfo,
  DEVICES_BASE,
  GAUGES_BASE,
  GLOBAL_BASE,
  PUBLISHED_CELLS,
  RowKind,
  UNATTRIBUTED_BASE,
} from './layout.js';
import type { LedgerMemory } from './memory.js';
import { LedgerReader } from './reader.js';
import type { AskOptions, FoundRow, ProbeSource, Readings } from './readings.js';
import { findById, findByName, parseRowId } from './row-search.js';
import { type RowContext, RowView } from './row-view.js';
import { type SocketCounts, socketCounts, uncountPart } from './socket-counts.js';
import { TIME_WAIT_INTS } from './time-wait.js';
import { addTwin, mayHaveTwins, TwinTable, twinKey } from './twins.js';

const constants = counters.filter((c) => c.entry.kind === 'constant').map((c) => c.id);

/** The reader of a host: of its one ledger directly, of several by their sums. @param unixMs the wall clock */
export function openReadings(memories: readonly LedgerMemory[], unixMs: () => number = Date.now): Readings {
  return memories.length === 1 ? new LedgerReader(memories[0]!, unixMs) : new ClusterReader(memories, unixMs);
}

export class ClusterReader implements Readings {
  readonly maxRows: number;
  readonly probes: ProbeSource;
  private readonly readers: readonly LedgerReader[];
  /** Rows of one ledger, and numbers that it takes: its rows, then its TIME-WAIT entries. */
  private readonly rowsEach: number;
  private readonly span: number;
  private readonly twin = new RowView();

  /** @param memories of equal sizes, in an order that stays */
  constructor(memories: readonly LedgerMemory[], unixMs: () => number = Date.now) {
    const { maxRows, timeWaits } = memories[0]!;
    this.readers = memories.map((m) => new LedgerReader(m, unixMs));
    this.rowsEach = maxRows;
    this.span = maxRows + timeWaits.byteLength / (4 * TIME_WAIT_INTS);
    this.maxRows = maxRows * memories.length;
    this.probes = new ClusterProbes(this.readers, this.span);
  }

  // ---- snapshots

  async snapshot(options: AskOptions = {}): Promise<Snapshot> {
    return sumOf(await Promise.all(this.askAll(options, (r, o) => r.snapshot(o))));
  }
  liveSnapshot(): Snapshot {
    return sumOf(this.readers.map((r) => r.liveSnapshot()));
  }
  async refreshInfo(options: AskOptions = {}): Promise<boolean> {
    return (await Promise.all(this.askAll(options, (r, o) => r.refreshInfo(o)))).every((done) => done);
  }

  /** Raises every request before anybody is woken. */
  private askAll<T>(options: AskOptions, ask: (reader: LedgerReader, options: AskOptions) => Promise<T>): Promise<T>[] {
    const { timeoutMs, wake } = options;
    const last = this.readers.length - 1;
    return this.readers.map((r, i) => ask(r, { timeoutMs, wake: i === last ? wake : undefined }));
  }

  // ---- rows

  rowsUsed(): number {
    return this.readers.reduce((n, r) => n + r.rowsUsed(), 0);
  }
  rowsExhausted(): number {
    return this.readers.reduce((n, r) => n + r.rowsExhausted(), 0);
  }
  rowsTop(): number {
    const last = this.readers.length - 1;
    return last * this.span + this.readers[last]!.rowsTop();
  }

  /** A twin is read as the row that stands for it: view.row tells. */
  readRow(row: number, into: RowView, withCells: boolean): boolean {
    if (!this.readOne(row, into, withCells)) return false;
    if (!mayHaveTwins(into)) return true;
    return this.readWithTwins(new TwinTable(this.readers), row, into, withCells) >= 0;
  }

  /** As its ledger has it, but for the numbers of rows. */
  private readOne(row: number, into: RowView, withCells: boolean): boolean {
    const ledger = Math.floor(row / this.span);
    const reader = this.readers[ledger];
    if (!reader?.readRow(row - ledger * this.span, into, withCells)) return false;
    this.renumber(into, ledger);
    return true;
  }

  /** From numbers of its ledger to those of all. */
  private renumber(view: RowView, ledger: number): void {
    const offset = ledger * this.span;
    const { ints } = view;
    view.row += offset;
    ints[Col.row] = view.row;
    if (ints[Col.inode] !== 0) ints[Col.inode]! += offset;
    if (ints[Col.listener]! >= 0) ints[Col.listener]! += offset;
  }

  /** The view shows a row that may have twins: makes it the sum of all. The number of the row that stands for them, -1 when it is gone. */
  private readWithTwins(twins: TwinTable, row: number, into: RowView, withCells: boolean): number {
    const ledger = Math.floor(row / this.span);
    const group = twins.of(ledger, row - ledger * this.span, into.generation);
    if (!group || group.length === 1) return row; // alone, or so new that no twin of it was seen
    const key = twinKey(into);
    let first = -1;
    for (const m of group) {
      const view = first < 0 ? into : this.twin;
      const number = m.ledger * this.span + m.row;
      if (!this.readOne(number, view, withCells) || view.generation !== m.generation || twinKey(view) !== key) continue;
      if (first < 0) first = number;
      else addTwin(into, view, withCells);
    }
    return first;
  }

  forEachRow(visit: (view: RowView) => unknown, withCells = false, from = 0): void {
    const twins = new TwinTable(this.readers);
    const view = new RowView();
    for (let ledger = Math.floor(from / this.span); ledger < this.readers.length; ledger++) {
      const offset = ledger * this.span;
      const reader = this.readers[ledger]!;
      const begin = Math.max(0, from - offset);
      for (let row = begin; row < reader.rowsTop(); row++) {
        if (twins.isPart(ledger, row) || !this.readOne(offset + row, view, withCells)) continue;
        if (mayHaveTwins(view) && this.readWithTwins(twins, offset + row, view, withCells) < 0) continue;
        if (visit(view) === false) return;
      }
      for (let i = Math.max(0, begin - this.rowsEach); i < reader.timeWaits.top(); i++) {
        if (this.readOne(offset + this.rowsEach + i, view, withCells) && visit(view) === false) return;
      }
    }
  }

  rows(): RowView[] {
    const views: RowView[] = [];
    this.forEachRow((view) => {
      const copy = new RowView();
      copy.floats.set(view.floats);
      copy.row = view.row;
      views.push(copy);
    });
    return views;
  }

  /** A twin's own id finds the row that stands for it. */
  findRow(id: string): FoundRow | undefined {
    const wanted = parseRowId(id);
    const view = new RowView();
    if (wanted && this.readOne(wanted.row, view, true) && view.generation === wanted.generation) {
      const gone = mayHaveTwins(view) && this.readWithTwins(new TwinTable(this.readers), wanted.row, view, true) < 0;
      if (!gone) return { view, closed: false };
    }
    return findById(this, id);
  }
  findRowByName(name: string): FoundRow | undefined {
    return findByName(this, name);
  }
  isTimeWaitEntry(view: RowView): boolean {
    return view.row % this.span >= this.rowsEach;
  }

  /** The histories of all by the time of the end; of twins that have ended, the nth last of one is the twin of the others' nth last. */
  closedRows(): RowView[] {
    const found: { view: RowView; atUs: number }[] = [];
    const firsts = new Map<string, RowView>();
    for (const [ledger, reader] of this.readers.entries()) {
      const seen = new Map<string, number>();
      const rows = reader.closedRows();
      const times = endsOf(rows);
      for (const [i, view] of rows.entries()) {
        this.renumber(view, ledger);
        if (mayHaveTwins(view)) {
          const key = twinKey(view);
          const nth = seen.get(key) ?? 0;
          seen.set(key, nth + 1);
          const first = firsts.get(`${key} ${nth}`);
          if (first) {
            addTwin(first, view, true);
            continue;
          }
          firsts.set(`${key} ${nth}`, view);
        }
        found.push({ view, atUs: times[i]! });
      }
    }
    return found.sort((a, b) => b.atUs - a.atUs).map((f) => f.view);
  }

  context(snapshot: Snapshot): RowContext {
    const listener = new RowView();
    let twins: TwinTable | undefined;
    return {
      wallOffsetUs: snapshot.wallOffsetUs,
      nowUs: snapshot.takenAtUs,
      listenerId: (row) => {
        if (!this.readOne(row, listener, false) || listener.kind !== RowKind.listener) return null;
        twins ??= new TwinTable(this.readers);
        return this.readWithTwins(twins, row, listener, false) < 0 ? null : listener.id;
      },
    };
  }

  sumOfRows(): Float64Array {
    const sum = new Float64Array(CELLS);
    for (const r of this.readers) for (const [id, n] of r.sumOfRows().entries()) sum[id]! += n;
    return sum;
  }

  countSockets(snapshot: Snapshot = this.liveSnapshot()): SocketCounts {
    const counts = socketCounts(snapshot.gauges);
    for (const part of new TwinTable(this.readers).parts()) {
      if (this.readers[part.ledger]!.readRow(part.row, this.twin, false)) uncountPart(counts, this.twin);
    }
    return counts;
  }

  // ---- probe gates

  arm(point: number): void {
    for (const r of this.readers) r.arm(point);
  }
  disarm(point: number): void {
    for (const r of this.readers) r.disarm(point);
  }
  isArmed(point: number): boolean {
    return this.readers[0]!.isArmed(point);
  }
}

/** When rows of a history ended; one that does not say ended no sooner than the one before it in time. */
function endsOf(rows: readonly RowView[]): number[] {
  const ends = rows.map((r) => r.floats[CopyInfo.closedUs]!);
  for (let i = ends.length - 2; i >= 0; i--) ends[i] = Math.max(ends[i]!, ends[i + 1]!);
  return ends;
}

/** Constants are the same in all and stay so. The times: counting began with the first, the snapshot is as late as its last part. */
function sumOf(parts: readonly Snapshot[]): Snapshot {
  const sum = new Float64Array(PUBLISHED_CELLS);
  for (const p of parts) {
    add(sum, GLOBAL_BASE, p.cells);
    add(sum, UNATTRIBUTED_BASE, p.unattributed);
    add(sum, CLOSED_BASE, p.closed);
    add(sum, DEVICES_BASE, p.devices);
    add(sum, GAUGES_BASE, p.gauges);
  }
  const first = parts[0]!;
  for (const id of constants) sum[GLOBAL_BASE + id] = first.cells[id]!;
  const times = {
    takenAtUs: Math.max(...parts.map((p) => p.takenAtUs)),
    startedAtUs: Math.min(...parts.map((p) => p.startedAtUs)),
    wallOffsetUs: first.wallOffsetUs,
  };
  return new Snapshot(first.id, times, parts.every((p) => p.consistent), sum); // biome-ignore format: one thing
}

function add(sum: Float64Array, base: number, part: Float64Array): void {
  for (let i = 0; i < part.length; i++) sum[base + i]! += part[i]!;
}

/** How long twins that were looked up for probe records may serve, ms: a new listener's first events tell its own row. */
const TWINS_KEEP_MS = 200;

/** The records of all rings, in turn, with the numbers of rows that readers of all ledgers know. */
class ClusterProbes implements ProbeSource {
  private readonly readers: readonly LedgerReader[];
  private readonly span: number;
  private twins: TwinTable | undefined;
  private twinsAtMs = Number.NEGATIVE_INFINITY;
  private turn = 0;

  constructor(readers: readonly LedgerReader[], span: number) {
    this.readers = readers;
    this.span = span;
  }

  read(max: number, each: (cells: Float64Array, at: number) => void): number {
    let n = 0;
    for (let i = 0; i < this.readers.length && n < max; i++) {
      const ledger = this.turn;
      this.turn = (this.turn + 1) % this.readers.length;
      n += this.readers[ledger]!.probes.read(max - n, (f, at) => {
        if (f[at + Rec.row]! >= 0) this.renumber(ledger, f, at);
        each(f, at);
      });
    }
    return n;
  }

  /** The record is ours until `each` has returned. */
  private renumber(ledger: number, f: Float64Array, at: number): void {
    const row = f[at + Rec.row]!;
    const kind = this.readers[ledger]!.kindOf(row);
    const shared = kind === RowKind.listener || kind === RowKind.endpoint;
    const first = shared ? this.table().of(ledger, row, f[at + Rec.generation]!)?.[0] : undefined;
    f[at + Rec.row] = first ? first.ledger * this.span + first.row : ledger * this.span + row;
    if (first) f[at + Rec.generation] = first.generation;
  }

  private table(): TwinTable {
    const now = performance.now();
    if (!this.twins || now - this.twinsAtMs > TWINS_KEEP_MS) {
      this.twins = new TwinTable(this.readers);
      this.twinsAtMs = now;
    }
    return this.twins;
  }

  lost(point: number): number {
    return this.readers.reduce((n, r) => n + r.probes.lost(point), 0);
  }
  lostRecords(point: number): number {
    return this.readers.reduce((n, r) => n + r.probes.lostRecords(point), 0);
  }
}
