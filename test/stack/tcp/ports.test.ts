import { describe, expect, it } from 'vitest';
import { ANY4, ANY6, IpAddress } from '../../../stack/core/address.js';
import { Errno } from '../../../stack/core/errno.js';
import { SeededRandom } from '../../../stack/core/random.js';
import { SysctlTable } from '../../../stack/core/sysctl.js';
import { type Binding, Ports } from '../../../stack/tcp/ports.js';

const a = IpAddress.from('10.0.0.1');
const b = IpAddress.from('10.0.0.2');
const make = (range?: string) => {
  const sysctl = new SysctlTable();
  if (range) sysctl.set('ip_local_port_range', range);
  return new Ports(sysctl, new SeededRandom(7));
};
const taken = (r: Binding | number): Binding => {
  if (typeof r === 'number') throw new Error(`refused: ${r}`);
  return r;
};

describe('bind', () => {
  it('refuses a port that overlaps another claim', () => {
    const p = make();
    taken(p.bind(a, 80, false, false));
    expect(p.bind(a, 80, false, false)).toBe(-Errno.EADDRINUSE);
    expect(p.bind(ANY4, 80, false, false)).toBe(-Errno.EADDRINUSE);
    taken(p.bind(b, 80, false, false));
    taken(p.bind(a, 81, false, false));
  });

  it('shares by SO_REUSEADDR until one listens, and by SO_REUSEPORT even then', () => {
    const p = make();
    const first = taken(p.bind(ANY4, 80, true, false));
    const second = taken(p.bind(ANY4, 80, true, false));
    first.listening = true;
    expect(p.listenConflict(first)).toBe(false);
    second.listening = true;
    expect(p.listenConflict(second)).toBe(true);
    expect(p.bind(ANY4, 80, true, false)).toBe(-Errno.EADDRINUSE);
    const q = make();
    taken(q.bind(ANY4, 80, false, true)).listening = true;
    taken(q.bind(ANY4, 80, false, true));
    expect(q.bind(ANY4, 80, false, false)).toBe(-Errno.EADDRINUSE);
  });

  it('needs SO_REUSEADDR on both ends to bind beside a TIME-WAIT or a child of a listener', () => {
    const p = make();
    p.attach(80, a, false, true, false);
    taken(p.bind(ANY4, 80, true, false));
    const q = make();
    q.attach(80, a, false, false, false);
    expect(q.bind(ANY4, 80, true, false)).toBe(-Errno.EADDRINUSE);
  });

  it('keeps IPv4 and IPv6 apart only where the IPv6 socket is for IPv6 alone', () => {
    const p = make();
    taken(p.bind(ANY6, 80, false, false));
    expect(p.bind(ANY4, 80, false, false)).toBe(-Errno.EADDRINUSE);
    const q = make();
    taken(q.bind(ANY6, 80, false, false, true));
    taken(q.bind(ANY4, 80, false, false));
  });

  it('gives every port of the range for port 0, then EADDRINUSE', () => {
    const p = make('40000 40009');
    const got = new Set<number>();
    for (let i = 0; i < 10; i++) got.add(taken(p.bind(ANY4, 0, false, false)).port);
    expect([...got].sort()).toEqual(Array.from({ length: 10 }, (_, i) => 40000 + i));
    expect(p.bind(ANY4, 0, false, false)).toBe(-Errno.EADDRINUSE);
  });

  it('has a port free again after release', () => {
    const p = make();
    const x = taken(p.bind(a, 80, false, false));
    const y = taken(p.bind(b, 80, false, false));
    p.release(x);
    expect(p.inUse(80)).toBe(true);
    taken(p.bind(a, 80, false, false));
    p.release(y);
    p.release(y);
    expect(p.bind(a, 80, false, false)).toBe(-Errno.EADDRINUSE);
  });
});

describe('connect', () => {
  it('prefers odd ports, rises for one remote end, and shares a port where the 4-tuple is free', () => {
    const p = make('40000 40999');
    const first = taken(p.connect(a, 0x12345678, () => true));
    const second = taken(p.connect(a, 0x12345678, () => true));
    expect(first.port & 1).toBe(1);
    expect((second.port - first.port + 1000) % 1000).toBe(2);
    const same = taken(p.connect(a, 0x12345678, (port) => port === first.port));
    expect(same.port).toBe(first.port);
  });

  it('leaves ports alone that were bound by number, and says EADDRNOTAVAIL when none is left', () => {
    const p = make('40000 40003');
    taken(p.bind(ANY4, 40001, false, false));
    const got = [0, 1, 2].map(() => {
      const used = new Set<number>();
      const r = taken(p.connect(a, 5, (port) => !used.has(port)));
      return r.port;
    });
    expect(got).not.toContain(40001);
    expect(p.connect(a, 5, () => false)).toBe(-Errno.EADDRNOTAVAIL);
  });

  it('is one claim for all connections of an end, freed with the last', () => {
    const p = make();
    const first = p.attach(80, a, false);
    expect(p.attach(80, a, false)).toBe(first);
    expect(p.attach(80, b, false)).not.toBe(first);
    expect(p.attach(80, a, false, true)).not.toBe(first);
    p.release(first);
    expect(p.bind(a, 80, true, false)).toBe(-Errno.EADDRINUSE);
    p.release(first);
    p.release(first);
    taken(p.bind(a, 80, true, false));
  });

  it('passes to TIME-WAIT; a socket that still holds the port keeps its own', () => {
    const p = make();
    const claim = p.attach(80, a, true);
    const left = p.handOver(claim, a)!;
    expect([left.timeWait, left.port]).toEqual([true, 80]);
    p.release(left);
    expect(p.inUse(80)).toBe(false);
    const held = taken(p.bind(a, 90, false, false));
    held.held = true;
    const own = p.handOver(held, a)!;
    expect(own).not.toBe(held);
    p.release(held);
    expect(p.inUse(90)).toBe(true);
    p.release(own);
    expect(p.inUse(90)).toBe(false);
  });
});
