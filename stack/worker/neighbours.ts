/** Tables of several stacks that are one host, shown as one: neighbours and multicast groups. */
import type { GroupDto, NeighbourDto } from '../../mib/dto.js';

/** What is known best, first: each stack confirms its neighbours for itself. */
const ORDER = ['PERMANENT', 'REACHABLE', 'DELAY', 'PROBE', 'STALE', 'INCOMPLETE', 'FAILED', 'NONE'];

/** One entry an address and interface: the freshest. */
export function mergeNeighbours(tables: readonly (readonly NeighbourDto[])[]): readonly NeighbourDto[] {
  if (tables.length === 1) return tables[0]!;
  const rank = (n: NeighbourDto) => {
    const i = ORDER.indexOf(n.state);
    return i < 0 ? ORDER.length : i;
  };
  const merged = new Map<string, NeighbourDto>();
  for (const n of tables.flat()) {
    const key = `${n.interface} ${n.address}`;
    const known = merged.get(key);
    if (!known || rank(n) < rank(known)) merged.set(key, n);
  }
  return [...merged.values()];
}

/** A group is joined on the host if it is in one of its stacks; a socket's is in that socket's stack alone. */
export function mergeGroups(tables: readonly (readonly GroupDto[])[]): readonly GroupDto[] {
  if (tables.length === 1) return tables[0]!;
  const merged = new Map<string, GroupDto>();
  for (const g of tables.flat()) {
    const key = `${g.interface} ${g.group}`;
    const known = merged.get(key);
    if (!known || known.users < g.users) merged.set(key, g);
  }
  return [...merged.values()];
}
