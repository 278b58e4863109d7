import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { Packet } from '../../../stack/core/packet.js';
import { SeededRandom } from '../../../stack/core/random.js';
import { Flow, FlowKind, FlowTable } from '../../../stack/tcp/table.js';
import { smallLedger } from '../../support/ledger.js';

const owner = smallLedger().unattributed;
const secret = Uint8Array.from({ length: 16 }, (_, i) => 200 - i);

function flow(local: string, localPort: number, remote: string, remotePort: number): Flow {
  const l = IpAddress.from(local);
  const f = new Flow(FlowKind.connection, l.family, l, IpAddress.from(remote), owner);
  f.localPort = localPort;
  f.remotePort = remotePort;
  return f;
}
/** The packet that such a flow's peer sends. */
function packetFor(f: Flow): Packet {
  const p = new Packet(64);
  p.family = f.family;
  const { local: l, remote: r } = f;
  [p.src0, p.src1, p.src2, p.src3] = [r.w0, r.w1, r.w2, r.w3];
  [p.dst0, p.dst1, p.dst2, p.dst3] = [l.w0, l.w1, l.w2, l.w3];
  return p;
}

describe('FlowTable', () => {
  it('finds what a packet or a quoted packet belongs to, and nothing that differs in one part', () => {
    const t = new FlowTable(secret);
    const four = flow('10.0.0.1', 80, '10.0.0.2', 4000);
    const six = flow('fd00::1', 80, 'fd00::2', 4000);
    t.insert(four);
    t.insert(six);
    for (const f of [four, six]) {
      expect(t.find(packetFor(f), 4000, 80)).toBe(f);
      expect(t.lookup(f.local, 80, f.remote, 4000)).toBe(f);
      expect(t.find(packetFor(f), 4001, 80)).toBeNull();
      expect(t.find(packetFor(f), 4000, 81)).toBeNull();
      expect(t.lookup(f.remote, 80, f.local, 4000)).toBeNull();
    }
    expect(t.find(packetFor(flow('fd00::1', 80, 'fd01::2', 4000)), 4000, 80)).toBeNull();
    expect(t.find(packetFor(flow('10.0.0.1', 80, '10.0.0.3', 4000)), 4000, 80)).toBeNull();
  });

  it('stays right through growth and removal of thousands', () => {
    const t = new FlowTable(secret, 16);
    const random = new SeededRandom(3);
    const all = new Map<string, Flow>();
    while (all.size < 3000) {
      const remote = IpAddress.v4(random.u32()).toString();
      const f = flow('10.0.0.1', random.u32() & 7, remote, random.u32() & 0xffff);
      const key = `${f.localPort} ${remote} ${f.remotePort}`;
      if (all.has(key)) continue;
      all.set(key, f);
      t.insert(f);
    }
    const gone = [...all.values()].filter((_, i) => i % 3 === 0);
    for (const f of gone) t.remove(f);
    expect(t.size).toBe(2000);
    expect(t.counts[FlowKind.connection]).toBe(2000);
    const wrong = [...all.values()].filter(
      (f, i) => t.find(packetFor(f), f.remotePort, f.localPort) !== (i % 3 === 0 ? null : f),
    );
    expect(wrong).toEqual([]);
    let visited = 0;
    t.forEach((f) => {
      visited++;
      t.remove(f);
    });
    expect([visited, t.size]).toEqual([2000, 0]);
  });

  it('spreads what an attacker without the secret would crowd', () => {
    const depth = (secretByte: number) => {
      const t = new FlowTable(secret.map((x) => x ^ secretByte));
      const hashes = new Set<number>();
      for (let i = 0; i < 512; i++) {
        const f = flow('10.0.0.1', 80, '10.0.0.2', i * 64);
        t.insert(f);
        hashes.add(f.hash & 1023);
      }
      return hashes;
    };
    const one = depth(0);
    expect(one.size).toBeGreaterThan(350);
    expect([...depth(0x55)].filter((h) => !one.has(h)).length).toBeGreaterThan(50);
  });
});
