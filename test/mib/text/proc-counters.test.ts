import { describe, expect, it } from 'vitest';
import { CELLS, counters, Icmp6Msg, IcmpMsg, Tcp } from '../../../mib/catalogue/index.js';
import { cellsOfGroups, groupsOfCells } from '../../../mib/snapshot.js';
import { type ProcGroups, procNetstat, procSnmp, procSnmp6, readPairs, readSnmp6 } from '../../../mib/text/proc-counters.js';
import { unsignedText } from '../../../mib/text/unsigned.js';
import { seeded } from '../../support/vectors.js';

/** Cells with values of all sizes, some ICMP types included. */
function randomCells(seed: number): Float64Array {
  const random = seeded(seed);
  const cells = new Float64Array(CELLS);
  for (const c of counters) cells[c.id] = Math.floor(random() ** 6 * 2 ** 53);
  for (const base of [IcmpMsg.In, IcmpMsg.Out, Icmp6Msg.In, Icmp6Msg.Out]) {
    for (let t = 0; t < 256; t++) cells[base + t] = random() < 0.1 ? Math.floor(random() * 1000) : 0;
  }
  cells[Tcp.MaxConn] = -1;
  return cells;
}

function numbers(groups: ProcGroups): Record<string, Record<string, number>> {
  return Object.fromEntries([...groups].map(([g, v]) => [g, Object.fromEntries([...v].map(([n, x]) => [n, Number(x)]))]));
}

describe('the counters of /proc/net', () => {
  it('come back as they were written, for 50 random ledgers', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const cells = randomCells(seed);
      const groups = readSnmp6(procSnmp6(cells), readPairs(procNetstat(cells), readPairs(procSnmp(cells))));
      const back = cellsOfGroups(numbers(groups));
      expect(back.unknown).toEqual([]);
      expect(back.cells).toEqual(cells);
    }
  });

  it('survive the way through JSON', () => {
    const cells = randomCells(7);
    const groups = groupsOfCells(cells);
    expect(Object.keys(groups)).toEqual(
      'Ip Icmp IcmpMsg Tcp Udp UdpLite TcpExt IpExt MPTcpExt Ip6 Icmp6 Udp6 UdpLite6'.split(' '),
    );
    expect(cellsOfGroups(JSON.parse(JSON.stringify(groups))).cells).toEqual(cells);
    expect(cellsOfGroups({ Tcp: { InSegs: 1, Foo: 2 }, Bar: { X: 1 } }).unknown).toEqual(['Tcp.Foo', 'Bar.X']);
  });

  it('have the columns of the kernel', () => {
    const cells = new Float64Array(CELLS);
    cells[Tcp.MaxConn] = -1;
    cells[Tcp.CurrEstab] = -2;
    const lines = procSnmp(cells).split('\n');
    expect(lines[4]).toBe(
      'Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors',
    );
    expect(lines[5]).toBe('Tcp: 0 0 0 -1 0 0 0 0 18446744073709551614 0 0 0 0 0 0');
    expect(
      procNetstat(cells)
        .split('\n')
        .filter((_, i) => i % 2 === 0)
        .map((l) => l.split(':')[0]),
    ).toEqual(['TcpExt', 'IpExt', 'MPTcpExt', '']);
    expect(procSnmp6(cells).split('\n')[0]).toBe('Ip6InReceives                   \t0');
  });

  it('show ICMP types sixteen a line, received before sent, only those that are not 0', () => {
    const cells = new Float64Array(CELLS);
    expect(procSnmp(cells)).not.toContain('IcmpMsg');
    for (let t = 0; t < 15; t++) cells[IcmpMsg.In + 10 * t] = t + 1;
    for (let t = 0; t < 17; t++) cells[IcmpMsg.Out + t] = t + 100;
    const lines = procSnmp(cells)
      .split('\n')
      .filter((l) => l.startsWith('IcmpMsg'));
    expect(lines).toEqual([
      'IcmpMsg: InType0 InType10 InType20 InType30 InType40 InType50 InType60 InType70 InType80 InType90 InType100 InType110 InType120 InType130 InType140 OutType0',
      'IcmpMsg: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 100',
      `IcmpMsg: ${Array.from({ length: 16 }, (_, i) => `OutType${i + 1}`).join(' ')}`,
      `IcmpMsg: ${Array.from({ length: 16 }, (_, i) => i + 101).join(' ')}`,
    ]);
    cells[Icmp6Msg.Out + 143] = 5;
    cells[Icmp6Msg.In + 1] = 6;
    const lines6 = procSnmp6(cells).split('\n');
    const at = lines6.indexOf('Icmp6InType1                    \t6');
    expect(lines6.slice(at - 1, at + 3)).toEqual([
      'Icmp6OutMLDv2Reports            \t5',
      'Icmp6InType1                    \t6',
      'Icmp6OutType143                 \t5',
      'Udp6InDatagrams                 \t0',
    ]);
  });

  it('print any number as unsigned 64 bit', () => {
    expect([0, 1, 2 ** 53 - 1, 2 ** 53, 2 ** 64, -1, -(2 ** 53)].map(unsignedText)).toEqual([
      '0', '1', '9007199254740991', '9007199254740992', '0', '18446744073709551615', '18437736874454810624',
    ]); // biome-ignore format: a list
  });

  it('are read as far as they are what they should be', () => {
    const groups = readPairs('Tcp: A B C\nTcp: 1 x\nUdp: A\nIp: 5\nno\nlines\nIp: Z\nIp: 99999999999999999999999\nOdd: B\n');
    expect(numbers(groups)).toEqual({ Tcp: { A: 1, B: 0, C: 0 }, Ip: { Z: 2 ** 64 } });
  });
});
