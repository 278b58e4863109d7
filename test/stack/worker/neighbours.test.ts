/** Tables of several stacks as one: neighbours, groups. */
import { describe, expect, it } from 'vitest';
import type { GroupDto, NeighbourDto } from '../../../mib/dto.js';
import { mergeGroups, mergeNeighbours } from '../../../stack/worker/neighbours.js';

const entry = (address: string, state: string, on = 'tsn0', mac: string | null = '02:00:00:00:00:01'): NeighbourDto =>
  ({ family: 4, address, mac, interface: on, state }) as NeighbourDto;

describe('neighbours of several stacks', () => {
  it('are one entry an address and interface, the freshest', () => {
    const merged = mergeNeighbours([
      [entry('10.0.0.1', 'STALE'), entry('10.0.0.2', 'INCOMPLETE', 'tsn0', null), entry('10.0.0.3', 'FAILED', 'tsn0', null)],
      [entry('10.0.0.2', 'DELAY'), entry('10.0.0.1', 'REACHABLE'), entry('10.0.0.1', 'STALE', 'tsn1')],
      [entry('10.0.0.1', 'PROBE'), entry('10.0.0.3', 'NEW WORD', 'tsn0', null)],
    ]);
    expect(merged.map((n) => `${n.address} ${n.interface} ${n.state}`)).toEqual([
      '10.0.0.1 tsn0 REACHABLE',
      '10.0.0.2 tsn0 DELAY',
      '10.0.0.3 tsn0 FAILED',
      '10.0.0.1 tsn1 STALE',
    ]);
  });

  it('of one are as they are', () => {
    const table = [entry('10.0.0.1', 'STALE')];
    expect(mergeNeighbours([table])).toBe(table);
  });
});

describe('groups of several stacks', () => {
  const group = (address: string, users: number, on = 'tsn0'): GroupDto => ({ family: 4, interface: on, group: address, users });
  it('are one entry an address and interface, with the most users of one stack', () => {
    const tables = [[group('224.0.0.1', 1)], [group('224.0.0.251', 2), group('224.0.0.1', 1)], [group('224.0.0.251', 3), group('224.0.0.1', 1, 'lo')]]; // biome-ignore format: a table a line
    expect(mergeGroups(tables)).toEqual([group('224.0.0.1', 1), group('224.0.0.251', 3), group('224.0.0.1', 1, 'lo')]);
    expect(mergeGroups([tables[0]!])).toBe(tables[0]);
  });
});
