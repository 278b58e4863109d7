import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  CELLS,
  cellByKey,
  cellName,
  counterByKey,
  counters,
  groups,
  Icmp,
  Icmp6Msg,
  IcmpMsg,
  ownedCells,
  Tcp,
} from '../../../mib/catalogue/index.js';
import { deviceEntries } from '../../../mib/catalogue/interface.js';
import { legacyTcpExt, sctp } from '../../../mib/catalogue/legacy.js';
import { note } from '../../support/needs.js';

/** Of Linux 6.18, with IcmpMsg's two and Icmp6's two families of per-type slots: 401 in all. */
const COUNTS = {
  Ip: 20,
  Icmp: 29,
  Tcp: 15,
  Udp: 9,
  UdpLite: 9,
  TcpExt: 135,
  IpExt: 18,
  MPTcpExt: 76,
  Ip6: 33,
  Icmp6: 36,
  Udp6: 9,
  UdpLite6: 8,
};

/** Sentences that netstat's search never finds, because its tables are not sorted: these counters print raw. */
const UNREACHABLE =
  'TCPDSACKOfoRecv TCPDSACKOfoSent TCPDSACKOldSent TCPDSACKRecv TCPDSACKUndo TCPRenoRecoveryFail TCPSackFailures TCPSackRecoveryFail TCPSackRecovery TCPSACKReneging TCPTimeouts TWKilled TCPLostRetransmit'.split(
    ' ',
  );

describe('the catalogue', () => {
  it('has every counter of the kernel', () => {
    const sizes = Object.fromEntries(groups.map((g) => [g.name, g.entries.length]));
    expect(sizes).toEqual(COUNTS);
    expect(counters.length + 4).toBe(401);
  });

  it('names each counter once, and by its name alone', () => {
    const keys = counters.map((c) => c.key);
    expect(new Set(keys).size).toBe(keys.length);
    for (const c of counters) {
      expect(cellByKey(c.key), c.key).toBe(c.id);
      expect(counterByKey(c.key)).toBe(c);
      if (!c.entry.slot) expect(cellName(c.id)).toBe(c.key);
    }
  });

  it('gives each SMI object to one counter', () => {
    const objects = counters.flatMap((c) => (c.entry.smi ?? []).map((object) => [object, c.key] as const));
    const twice = objects.filter(([object, key]) => objects.some(([o, k]) => o === object && k !== key));
    expect(twice).toEqual([]);
    expect(objects.length).toBeGreaterThan(150);
    for (const [object, key] of objects) expect(object, key).toMatch(/^[a-zA-Z0-9]+(\.[a-zA-Z0-9]+)* 1\.3\.6\.1\.2\.1(\.\d+)+$/);
  });

  it('numbers every cell once, named ICMP rows as their slot', () => {
    const own = counters.filter((c) => !c.entry.slot).map((c) => c.id);
    expect(new Set(own).size).toBe(own.length);
    expect(CELLS).toBe(own.length + 4 * 256);
    expect(Icmp.InEchos).toBe(IcmpMsg.In + 8);
    expect(cellName(IcmpMsg.Out + 3)).toBe('IcmpMsg.OutType3');
    expect(cellName(Icmp6Msg.In + 135)).toBe('Icmp6.InType135');
    expect(cellByKey('Icmp6.OutType255')).toBe(Icmp6Msg.Out + 255);
    expect(cellByKey('Icmp6.OutType256')).toBeUndefined();
  });

  it('says why for everything it does not move', () => {
    for (const c of counters) {
      const why = c.entry.unsupported;
      if (why !== undefined) expect(why.length, `${c.key}: ${why}`).toBeGreaterThan(12);
      if (why !== undefined) expect(why, c.key).not.toMatch(/see |todo|not yet/i);
    }
  });

  it('explains every counter, and lets rows own what a connection can cause', () => {
    for (const c of [...counters.map((c) => c.entry), ...deviceEntries]) expect(c.meaning.length, c.name).toBeGreaterThan(8);
    expect(ownedCells[Tcp.InSegs]).toBe(1);
    expect(ownedCells[Tcp.MaxConn]).toBe(0);
    expect(ownedCells[Icmp.InMsgs]).toBe(0);
  });

  it('has sentences with one value, none where the real netstat never finds them', () => {
    for (const c of counters) {
      const { print, sentence = '' } = c.entry;
      expect(sentence.split('%').length - 1, c.key).toBe(print === undefined || print === 'never' ? 0 : 1);
    }
    for (const name of UNREACHABLE) expect(counterByKey(`TcpExt.${name}`)?.entry.print, name).toBeUndefined();
    expect(counterByKey('Ip.Forwarding')?.entry.print).toBeUndefined();
    expect(counterByKey('Icmp6.OutRouterAdvertisements')?.entry.print).toBeUndefined();
  });

  it('knows older sentences under names of their own', () => {
    for (const s of legacyTcpExt) expect(counterByKey(`TcpExt.${s.name}`), s.name).toBeUndefined();
    expect(sctp.length).toBe(17);
    for (const s of [...legacyTcpExt, ...sctp]) expect(s.sentence.split('%').length, s.name).toBe(2);
  });
});

describe('the order of print', () => {
  const why = existsSync('/proc/net/snmp') && existsSync('/proc/net/netstat') ? '' : 'needs /proc/net of Linux';

  it.skipIf(why)(`is the running kernel's, for what it knows${note(why)}`, () => {
    for (const file of ['snmp', 'netstat'] as const) {
      const heads = readFileSync(`/proc/net/${file}`, 'utf8')
        .split('\n')
        .filter((_, i) => i % 2 === 0);
      const kernel = heads.flatMap((l) =>
        l
          .split(' ')
          .slice(1)
          .map((n) => `${l.slice(0, l.indexOf(':'))}.${n}`),
      );
      expectOrder(
        kernel.filter((k) => !k.startsWith('IcmpMsg.')),
        file,
      );
    }
  });

  it.skipIf(why)(`is the running kernel's in snmp6${note(why)}`, () => {
    const text = existsSync('/proc/net/snmp6') ? readFileSync('/proc/net/snmp6', 'utf8') : '';
    const kernel = text
      .split('\n')
      .filter(Boolean)
      .map((l) => l.split(/\s/)[0]!.replace('6', '6.'));
    expectOrder(
      kernel.filter((k) => !/\.(In|Out)Type\d+$/.test(k)),
      'snmp6',
    );
  });

  function expectOrder(kernel: string[], file: string): void {
    const mine = counters.filter((c) => c.group.file === file).map((c) => c.key);
    const known = kernel.filter((k) => mine.includes(k));
    expect(known).toEqual(mine.filter((k) => known.includes(k)));
    // An older or newer kernel may differ by some; a kernel of our kind by none.
    expect(known.length).toBeGreaterThan(Math.min(kernel.length, mine.length) * 0.8);
  }
});
