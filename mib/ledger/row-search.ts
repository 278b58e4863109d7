/** Finding a row by what a person types: its id, or the names of its ends. */
import type { FoundRow, Readings } from './readings.js';
import { RowView } from './row-view.js';

/** `row.generation` taken apart; undefined for a text that is none. */
export function parseRowId(id: string): { readonly row: number; readonly generation: number } | undefined {
  const m = /^(\d{1,9})\.(\d{1,10})$/.exec(id);
  return m ? { row: Number(m[1]), generation: Number(m[2]) } : undefined;
}

/** The row called `row.generation`, live or from the history. */
export function findById(reader: Readings, id: string): FoundRow | undefined {
  const wanted = parseRowId(id);
  if (!wanted) return undefined;
  const { row, generation } = wanted;
  const view = new RowView();
  if (reader.readRow(row, view, true) && view.generation === generation) return { view, closed: false };
  const closed = reader.closedRows().find((r) => r.id === `${row}.${generation}`);
  return closed && { view: closed, closed: true };
}

/** The row whose ends are `local-remote`, live, else the last of that name in the history (whose counters a TIME-WAIT entry has not). */
export function findByName(reader: Readings, name: string): FoundRow | undefined {
  let found: number | undefined;
  reader.forEachRow((view) => {
    if (view.name === name) found = view.row;
    return found === undefined;
  });
  const view = new RowView();
  const live = found !== undefined && reader.readRow(found, view, true) && view.name === name;
  if (live && !reader.isTimeWaitEntry(view)) return { view, closed: false };
  const closed = reader.closedRows().find((r) => r.name === name);
  if (closed) return { view: closed, closed: true };
  return live ? { view, closed: false } : undefined;
}
