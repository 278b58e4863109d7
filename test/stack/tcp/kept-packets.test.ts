/** Large packets are kept for their bytes instead of copied: bounded, given back, and no byte at the wrong place. */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { KEEP_FROM, PacketPool } from '../../../stack/core/packet-pool.js';
import { Poll, type StreamSocket } from '../../../stack/socket/socket.js';
import { ReceiveQueue } from '../../../stack/tcp/receive-queue.js';
import { Simulation } from '../../support/simulation.js';

const byteOf = (position: number) => (Math.imul(position, 0x9e3779b1) >>> 24) & 255;

describe('a receive queue', () => {
  it('reads across kept packets and its ring, from any place and in any size, and sends packets home when they are read', () => {
    const pool = new PacketPool();
    const q = new ReceiveQueue();
    const base = 0xffff_c000;
    q.startAt(base);
    const sizes = [100, 30_000, 20_000, 1, 50_000, 7, 16_384, 16_384, 16_384, 16_384, 16_384, 16_384, 16_384];
    let end = 0;
    for (const n of sizes) {
      const data = Uint8Array.from({ length: n }, (_, i) => byteOf(end + i));
      if (n >= KEEP_FROM) {
        const p = pool.take();
        p.bytes.set(data, 100);
        q.keep(p, (base + end) >>> 0, 100, n);
      } else q.write(base, (base + end) >>> 0, data, 0, n);
      end += n;
      q.pushMark((base + end) >>> 0, 1, 0);
    }
    expect(pool.taken).toBe(10);
    const into = new Uint8Array(33_333);
    for (let from = 0, step = 1; from < end; step = ((step * 7) % 33_331) + 1) {
      const n = Math.min(step, end - from);
      q.read((base + from) >>> 0, into, 3, Math.min(n, into.length - 3));
      for (let i = 0; i < Math.min(n, into.length - 3); i++)
        if (into[3 + i] !== byteOf(from + i)) throw new Error(`byte ${from + i}`);
      from += Math.min(n, into.length - 3);
      q.popRead((base + from) >>> 0);
    }
    expect([pool.taken, q.buffers]).toEqual([0, 0]);
  });
});

/** So large that the window does not wait for the reader. */
const BUFFERS = { tcp_rmem: '4096 16000000 16000000', tcp_wmem: '4096 8000000 8000000' };

/** A sends `total` octets in super-frames to B, which reads nothing before `read`. */
function sender(total: number) {
  const sim = new Simulation(5);
  const wire = sim.wire({ mtu: 1500 });
  const a = sim.host(wire.a, { addresses: ['10.99.0.1/24'], offloads: true, sysctl: BUFFERS });
  const b = sim.host(wire.b, {
    addresses: ['10.99.0.2/24'],
    mac: '02:00:00:00:00:02',
    offloads: true,
    coalesce: true,
    sysctl: BUFFERS,
  });
  let server: StreamSocket | null = null;
  const listener = b.stack.tcp(4);
  listener.bind(null, 7000);
  listener.listen(1);
  listener.onReady = () => {
    const s = listener.accept();
    if (typeof s !== 'number') server = s;
  };
  const client = a.stack.tcp(4);
  const out = new Uint8Array(65536);
  let sent = 0;
  client.onReady = (bits) => {
    while (bits & Poll.OUT && sent < total) {
      for (let i = 0; i < out.length; i++) out[i] = byteOf(sent + i);
      const n = client.send(out, 0, Math.min(out.length, total - sent), 0);
      if (n < 0) return;
      sent += n;
    }
  };
  client.connect(IpAddress.from('10.99.0.2'), 7000);
  sim.pass(1_000_000);
  return { sim, a, b, client, server: server as unknown as StreamSocket };
}

describe('a stack', () => {
  it('keeps packets for a reader that is slow, no more than it has, and has all of them back when the bytes are read', () => {
    const total = 20_000_000;
    const { sim, b, server } = sender(total);
    const atRest = 2; // what the device receives into: the coalescer's two
    const most = b.stack.packets.taken;
    expect(most).toBeGreaterThan(10);
    expect(most).toBeLessThanOrEqual(66);
    const into = new Uint8Array(100_000);
    let got = 0;
    while (got < total) {
      const n = server.receive(into, 0, into.length, 0);
      if (n === -11) {
        sim.pass(100_000);
        continue;
      }
      expect(n).toBeGreaterThan(0);
      for (let i = 0; i < n; i++) if (into[i] !== byteOf(got + i)) throw new Error(`byte ${got + i} is wrong`);
      got += n;
    }
    sim.pass(1_000_000);
    expect(b.stack.packets.taken).toBeLessThanOrEqual(atRest + 1); // lo's
  });

  it('has them back when a connection ends unread', () => {
    const { sim, b, server } = sender(1_000_000);
    expect(b.stack.packets.taken).toBeGreaterThan(10);
    server.close();
    sim.pass(1_000_000);
    expect(b.stack.packets.taken).toBeLessThanOrEqual(3);
  });
});
