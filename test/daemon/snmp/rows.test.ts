import { describe, expect, it } from 'vitest';
import { oidKey } from '../../../daemon/snmp/oid.js';
import { firstAfter, indexOfRow, Row, RowIndex, sortRows } from '../../../daemon/snmp/rows.js';

interface Member {
  readonly id: string;
  readonly at: number;
}
const index = () =>
  new RowIndex<Member>(
    (m) => m.id,
    (m) => oidKey([m.at]),
  );
const members = (...pairs: [string, number][]): Member[] => pairs.map(([id, at]) => ({ id, at }));
const shown = (rows: readonly Row<Member>[]) => rows.map((r) => r.value.id).join(' ');

describe('rows', () => {
  it('are found by key and by what follows a key', () => {
    const rows = sortRows([7, 3, 5].map((n) => new Row(oidKey([n]), n)));
    expect(rows.map((r) => r.value)).toEqual([3, 5, 7]);
    expect([3, 5, 7].map((n) => indexOfRow(rows, oidKey([n])))).toEqual([0, 1, 2]);
    expect([0, 4, 8].map((n) => indexOfRow(rows, oidKey([n])))).toEqual([-1, -1, -1]);
    expect(indexOfRow([], oidKey([4]))).toBe(-1);
    expect([0, 3, 4, 7].map((n) => firstAfter(rows, oidKey([n])))).toEqual([0, 1, 1, 3]);
    expect(firstAfter(rows, '')).toBe(0);
  });

  it('come and go without changing the order or the identity of the others', () => {
    const order = index();
    const first = order.refresh(members(['a', 5], ['b', 1], ['c', 9]));
    expect(shown(first)).toBe('b a c');
    const second = order.refresh(members(['c', 9], ['d', 7], ['a', 5]));
    expect(shown(second)).toBe('a d c');
    expect(second[0]).toBe(first[1]);
    expect(order.refresh(members(['a', 5], ['c', 9], ['d', 7]))).toBe(second);
    expect(shown(order.refresh([]))).toBe('');
    expect(shown(order.refresh(members(['e', 2])))).toBe('e');
  });

  it('show the first of two members with one index, and the other when that is gone', () => {
    const order = index();
    expect(shown(order.refresh(members(['a', 5], ['b', 5], ['c', 6])))).toBe('a c');
    expect(shown(order.refresh(members(['b', 5], ['c', 6])))).toBe('b c');
    expect(shown(order.refresh(members(['b', 5], ['c', 6], ['d', 6])))).toBe('b c');
    expect(shown(order.refresh(members(['b', 5], ['d', 6])))).toBe('b d');
  });

  it('take the new value of a member that stays', () => {
    const order = index();
    order.refresh([{ id: 'a', at: 1 }]);
    const again = { id: 'a', at: 1 };
    expect(order.refresh([again])[0]!.value).toBe(again);
  });
});
