/**
 * The sum rule over REST at quiescence: between two quiet moments with the same rows, what every counter has moved in all is what it has
 * moved on the rows. (What no row owns is not moved by the traffic in between, which is that of open connections and a UDP socket alone; only
 * the kernel's discovery and listener messages of IPv6 come when they like, and are nobody's.)
 */
import { counters as catalogue } from '../../mib/catalogue/index.js';
import type { ConnectionCountersDto, ConnectionDto, ConnectionsDto, CounterOwnersDto, GroupsDto } from '../../mib/dto.js';
import { get } from './bed.js';

/** What only grows, by `Group.Name`. */
const GROWS = new Set(catalogue.filter((c) => c.entry.kind === 'counter').map((c) => c.key));
const COUNTS = new Set(catalogue.filter((c) => c.entry.kind !== 'constant').map((c) => c.key));

/** Groups in which something may move that is nobody's. */
const UNASKED = /^(Ip6|Icmp6)\./;

export type Flat = ReadonlyMap<string, number>;

/** Counters and gauges by `Group.Name`. */
export function flat(groups: GroupsDto): Flat {
  const all = new Map<string, number>();
  for (const [group, values] of Object.entries(groups)) {
    for (const [name, n] of Object.entries(values)) if (COUNTS.has(`${group}.${name}`)) all.set(`${group}.${name}`, n);
  }
  return all;
}

/** Counters that have gone back, which none ever may. */
export function fallen(before: Flat, after: Flat): string[] {
  return [...after]
    .filter(([key, n]) => GROWS.has(key) && n < (before.get(key) ?? 0))
    .map(([key, n]) => `${key} ${before.get(key)} → ${n}`);
}

export interface Audit {
  readonly global: Flat;
  /** By id. */
  readonly rows: ReadonlyMap<string, Flat>;
  /** Of no row. */
  readonly unattributed: Flat;
  readonly consistent: boolean;
}

/** Where the sum rule does not hold between two quiet moments; empty when it does. */
export function violations(before: Audit, after: Audit): string[] {
  const wrong: string[] = [];
  const ids = (a: Audit) => [...a.rows.keys()].sort().join(' ');
  if (ids(before) !== ids(after)) wrong.push('there are other rows than before: this was no quiet moment');
  if (!before.consistent || !after.consistent) wrong.push('a snapshot was not consistent');
  for (const [key, n] of after.global) {
    let [sum, moved] = [0, 0];
    for (const [id, row] of after.rows) {
      sum += row.get(key) ?? 0;
      moved += (row.get(key) ?? 0) - (before.rows.get(id)?.get(key) ?? 0);
    }
    if (UNASKED.test(key)) moved += (after.unattributed.get(key) ?? 0) - (before.unattributed.get(key) ?? 0);
    const movedInAll = n - (before.global.get(key) ?? 0);
    if (moved !== movedInAll) wrong.push(`${key} has moved by ${movedInAll}, on the rows by ${moved}`);
    if (GROWS.has(key) && sum > n) wrong.push(`${key} is ${n}, but ${sum} on the rows`);
  }
  return wrong;
}

/** Counters that moved between two audits. */
export const moved = (before: Audit, after: Audit): number =>
  [...after.global].filter(([key, n]) => n !== before.global.get(key)).length;

const json = async <T>(socket: string, path: string): Promise<T> => JSON.parse(await get(socket, path)) as T;

/** Every row of a daemon. */
export async function allRows(socket: string): Promise<ConnectionDto[]> {
  const rows: ConnectionDto[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: ConnectionsDto = await json(socket, `/api/v1/connections?limit=500${cursor ? `&cursor=${cursor}` : ''}`);
    rows.push(...page.connections);
    cursor = page.next;
  }
  return rows;
}

/** Global counters and those of every row that has some. */
export async function audit(socket: string): Promise<Audit> {
  const rows = new Map<string, Flat>();
  let consistent = true;
  for (const r of await allRows(socket)) {
    if (r.kind === 'time-wait') continue; // its counters are among those of the closed
    const one = await json<ConnectionCountersDto>(socket, `/api/v1/connections/${r.id}/counters`);
    consistent &&= one.consistent;
    rows.set(r.id, flat(one.counters));
  }
  const all = await json<CounterOwnersDto>(socket, '/api/v1/counters/owners');
  const unattributed = flat(all.unattributed);
  return { global: flat(all.counters), rows, unattributed, consistent: consistent && all.consistent };
}
