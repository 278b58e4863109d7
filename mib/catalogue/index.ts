/**
 * The catalogue: every counter of Linux 6.18, in the kernel's print order, and the numbers (cell ids) the data path uses for them.
 * `Tcp.RetransSegs` is a cell id: an index into the ledger. Named ICMP rows share the cell of their per-type slot, as in the kernel.
 */
import type { CounterEntry, Group } from './entry.js';
import { icmpGroup } from './icmp.js';
import { icmp6Group } from './icmp6.js';
import { ipGroup } from './ip.js';
import { ipExtGroup } from './ip-ext.js';
import { ip6Group } from './ip6.js';
import { mptcpExtGroup } from './mptcp-ext.js';
import { tcpGroup } from './tcp.js';
import { tcpExtGroup } from './tcp-ext.js';
import { udpGroup } from './udp.js';
import { udpLiteGroup } from './udp-lite.js';
import { udpLite6Group } from './udp-lite6.js';
import { udp6Group } from './udp6.js';

/** In the order in which the kernel prints the groups: snmp, netstat, snmp6. IcmpMsg (per-type slots) is printed after Icmp. */
export const groups: readonly Group[] = [
  ipGroup,
  icmpGroup,
  tcpGroup,
  udpGroup,
  udpLiteGroup,
  tcpExtGroup,
  ipExtGroup,
  mptcpExtGroup,
  ip6Group,
  icmp6Group,
  udp6Group,
  udpLite6Group,
];

/** Per-type slots: 256 cells each. `IcmpMsg.In + type` is a cell id. */
const SLOTS = ['IcmpMsg.In', 'IcmpMsg.Out', 'Icmp6Msg.In', 'Icmp6Msg.Out'] as const;
const SLOT_TYPES = 256;

export interface Counter {
  /** Cell id. */
  readonly id: number;
  readonly group: Group;
  readonly entry: CounterEntry;
  /** `Tcp.RetransSegs`: the kernel spelling, accepted wherever a counter is named. */
  readonly key: string;
}

const byGroup = new Map<string, number[]>();
const list: Counter[] = [];
let next = 0;
for (const group of groups) {
  const ids: number[] = [];
  for (const entry of group.entries) {
    const id = entry.slot ? -1 : next++;
    ids.push(id);
    list.push({ id, group, entry, key: `${group.name}.${entry.name}` });
  }
  byGroup.set(group.name, ids);
}
const slotBase = new Map<string, number>();
for (const name of SLOTS) {
  slotBase.set(name, next);
  next += SLOT_TYPES;
}
for (const [i, c] of list.entries()) {
  const slot = c.entry.slot;
  if (slot) list[i] = { ...c, id: slotBase.get(slot[0])! + slot[1] };
}

/** How many cells a ledger has: one per counter that has a cell of its own, and the per-type slots. */
export const CELLS = next;

/** Every counter of every group, in print order. */
export const counters: readonly Counter[] = list;

type Ids<G extends Group> = { readonly [K in G['entries'][number]['name']]: number };

/** An object of cell ids with fast properties, so that the optimiser sees constants. */
function ids<G extends Group>(group: G): Ids<G> {
  const o: Record<string, number> = {};
  for (const c of list) if (c.group === group) o[c.entry.name] = c.id;
  Object.setPrototypeOf({}, o); // an object used as a prototype is given fast properties
  return Object.freeze(o) as Ids<G>;
}

export const Ip = ids(ipGroup);
export const Icmp = ids(icmpGroup);
export const Tcp = ids(tcpGroup);
export const Udp = ids(udpGroup);
export const UdpLite = ids(udpLiteGroup);
export const TcpExt = ids(tcpExtGroup);
export const IpExt = ids(ipExtGroup);
export const MPTcpExt = ids(mptcpExtGroup);
export const Ip6 = ids(ip6Group);
export const Icmp6 = ids(icmp6Group);
export const Udp6 = ids(udp6Group);
export const UdpLite6 = ids(udpLite6Group);
/** First cell of each family of per-type slots; add the ICMP type. */
export const IcmpMsg = Object.freeze({ In: slotBase.get('IcmpMsg.In')!, Out: slotBase.get('IcmpMsg.Out')! });
export const Icmp6Msg = Object.freeze({ In: slotBase.get('Icmp6Msg.In')!, Out: slotBase.get('Icmp6Msg.Out')! });

/** Does any row (connection, listener, endpoint) have a cell for this id? */
export const ownedCells: Uint8Array = (() => {
  const owned = new Uint8Array(CELLS);
  for (const c of list) if (c.group.owned && c.entry.kind !== 'constant' && !c.entry.unsupported) owned[c.id] = 1;
  return owned;
})();

const byKey = new Map(list.map((c) => [c.key, c]));
/** The counter called `Group.Name` in the kernel's spelling, or undefined. */
export function counterByKey(key: string): Counter | undefined {
  return byKey.get(key);
}
/** Counters of one group, in print order. */
export function countersOf(groupName: string): Counter[] {
  return list.filter((c) => c.group.name === groupName);
}

let names: readonly string[] | undefined;
function allNames(): readonly string[] {
  if (names) return names;
  const out = new Array<string>(CELLS).fill('');
  for (const [name, base] of slotBase) {
    const [g, direction] = name.split('.') as [string, string];
    for (let t = 0; t < SLOT_TYPES; t++) out[base + t] = `${g === 'Icmp6Msg' ? 'Icmp6' : g}.${direction}Type${t}`;
  }
  for (const c of list) if (!c.entry.slot) out[c.id] = c.key;
  names = out;
  return out;
}
/** Name of any cell id, per-type slots included: `Tcp.RetransSegs`, `IcmpMsg.InType3`, `Icmp6.InType128`. */
export function cellName(id: number): string {
  return allNames()[id] ?? `cell ${id}`;
}
let cellByName: ReadonlyMap<string, number> | undefined;
/** Cell id of `Group.Name`: counters, named ICMP rows (their slot's cell) and per-type slots. Undefined when nothing is called so. */
export function cellByKey(key: string): number | undefined {
  cellByName ??= new Map([...allNames().map((name, id) => [name, id] as const), ...list.map((c) => [c.key, c.id] as const)]);
  return cellByName.get(key);
}
