/**
 * Sockets that are in several stacks of one host: a listener on each is one listener, and so is a UDP endpoint. Their rows are twins: of the
 * same kind, protocol and local end, and not connected. Of several such in one ledger (SO_REUSEPORT) the nth is the twin of the others' nth.
 * The twin in the lowest ledger stands for all.
 */
import { Col, CopyInfo, copyColumns, RowKind, rowIds } from './layout.js';
import type { LedgerReader } from './reader.js';
import { RowView } from './row-view.js';

export interface Member {
  /** Which ledger, and the row's number in it. */
  readonly ledger: number;
  readonly row: number;
  readonly generation: number;
}

export function mayHaveTwins(view: RowView): boolean {
  return view.kind === RowKind.listener || (view.kind === RowKind.endpoint && view.remotePort === 0);
}

/** The same for twins. */
export function twinKey(view: RowView): string {
  const { ints } = view;
  const words = [Col.local, Col.local + 1, Col.local + 2, Col.local + 3, Col.ifindex].map((c) => ints[c]);
  return `${view.kind} ${view.protocol} ${view.family} ${view.localPort} ${words.join(' ')}`;
}

/** Adds a twin to the row that stands for it: what waits, drops, counters. */
export function addTwin(to: RowView, twin: RowView, withCells: boolean): void {
  for (const c of [Col.recvQ, Col.sendQ]) to.ints[c]! += twin.ints[c]!;
  to.floats[CopyInfo.drops]! += twin.floats[CopyInfo.drops]!;
  const created = twin.floats[CopyInfo.createdUs]!;
  if (created < to.floats[CopyInfo.createdUs]!) to.floats[CopyInfo.createdUs] = created;
  if (!withCells) return;
  const ids = rowIds(to.protocol);
  for (let i = 0; i < ids.length; i++) to.floats[copyColumns[ids[i]!]!]! += twin.floats[copyColumns[ids[i]!]!]!;
}

/**
 * All twins as they were at one moment. Only headers are looked at, but for the few rows that may have twins; and those only up to the last that
 * is no connection: such rows were taken early, the million behind them are not seen.
 */
export class TwinTable {
  private readonly groups = new Map<string, Member[]>();
  private readonly byRow: readonly Map<number, Member[]>[];

  constructor(readers: readonly LedgerReader[]) {
    this.byRow = readers.map(() => new Map<number, Member[]>());
    const view = new RowView();
    for (const [ledger, reader] of readers.entries()) {
      const seen = new Map<string, number>();
      const top = reader.rowsTop();
      let left = reader.othersUsed();
      for (let row = 0; row < top && left > 0; row++) {
        const kind = reader.kindOf(row);
        if (kind !== RowKind.listener && kind !== RowKind.endpoint) continue;
        left--;
        if (reader.readRow(row, view, false) && mayHaveTwins(view)) this.add(ledger, view, seen);
      }
    }
  }

  private add(ledger: number, view: RowView, seen: Map<string, number>): void {
    const key = twinKey(view);
    const nth = seen.get(key) ?? 0;
    seen.set(key, nth + 1);
    const name = `${key} ${nth}`;
    let group = this.groups.get(name);
    if (!group) {
      group = [];
      this.groups.set(name, group);
    }
    group.push({ ledger, row: view.row, generation: view.generation });
    this.byRow[ledger]!.set(view.row, group);
  }

  /** The row and its twins, the one that stands for all first; undefined when the row was not there, or was another, at that moment. */
  of(ledger: number, row: number, generation: number): readonly Member[] | undefined {
    const group = this.byRow[ledger]!.get(row);
    return group?.some((m) => m.ledger === ledger && m.row === row && m.generation === generation) ? group : undefined;
  }

  /** The rows for which others stand. */
  parts(): Member[] {
    return [...this.groups.values()].flatMap((group) => group.slice(1));
  }
  /** Does another row stand for this one? */
  isPart(ledger: number, row: number): boolean {
    const first = this.byRow[ledger]!.get(row)?.[0];
    return first !== undefined && (first.ledger !== ledger || first.row !== row);
  }
}
