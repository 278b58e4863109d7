/** The search for the path MTU (RFC 4821) over a path that eats what is too large, in silence. Single steps are Linux's, by its traces. */
import { describe, expect, it } from 'vitest';
import { TcpExt } from '../../../mib/catalogue/index.js';
import { IpAddress } from '../../../stack/core/address.js';
import { Level, Msg, So, TcpOpt } from '../../../stack/socket/socket.js';
import type { TcpSocket } from '../../../stack/tcp/socket.js';
import { TcpState } from '../../../stack/tcp/state.js';
import { filler } from '../../support/frames.js';
import { expectSums } from '../../support/ledger.js';
import { type HostOptions, Simulation } from '../../support/simulation.js';

const PORT = 6000;

/** A sender and a receiver that reads at once, and a path for packets of at most `pathMtu` bytes. */
function narrowPath(pathMtu: number, sysctl: HostOptions['sysctl']) {
  const sim = new Simulation(3);
  const wire = sim.wire({ both: { delayUs: 1000 } });
  const limit = { mtu: pathMtu };
  const transmit = wire.a.transmit.bind(wire.a);
  wire.a.transmit = (frame) => (frame.tail - frame.network <= limit.mtu ? transmit(frame) : 0);
  const a = sim.host(wire.a, { mac: '02:00:00:00:00:01', addresses: ['10.99.0.1/24'], sysctl });
  const b = sim.host(wire.b, { mac: '02:00:00:00:00:02', addresses: ['10.99.0.2/24'] });
  const listener = b.stack.tcp(4) as TcpSocket;
  listener.bind(null, PORT);
  listener.listen(5);
  const s = a.stack.tcp(4) as TcpSocket;
  s.connect(IpAddress.from('10.99.0.2'), PORT);
  sim.run(() => s.state === TcpState.ESTABLISHED && listener.poll() !== 0);
  const r = listener.accept() as TcpSocket;
  const into = new Uint8Array(65536);
  /** Moves this many bytes across. */
  const transfer = (total: number, limitUs = 600e6) => {
    const data = filler(total);
    let sent = 0;
    let got = 0;
    sim.run(() => {
      const n = sent < total ? s.send(data, sent, total - sent, 0) : 0;
      if (n > 0) sent += n;
      for (let k = r.receive(into, 0, into.length, 0); k > 0; k = r.receive(into, 0, into.length, 0)) got += k;
      return got === total;
    }, limitUs);
    return got;
  };
  const cell = (id: number) => a.ledger.cells[id]!;
  return { sim, a, b, s, limit, transfer, mss: () => s.connection!.mssCache, cell };
}

describe('with tcp_mtu_probing = 2', () => {
  it.each([1100, 1240, 1333, 1492])('a path of %i bytes is found to within the threshold, and never by a time-out', (mtu) => {
    const p = narrowPath(mtu, { tcp_mtu_probing: 2, tcp_timestamps: 0 });
    expect(p.transfer(1_500_000)).toBe(1_500_000);
    expect(p.mss() + 40).toBeLessThanOrEqual(mtu);
    expect(p.mss() + 40).toBeGreaterThan(mtu - 2 * 8);
    expect(p.cell(TcpExt.TCPMTUPSuccess)).toBeGreaterThan(0);
    expect(p.cell(TcpExt.TCPMTUPFail)).toBeGreaterThan(0);
    expect(p.cell(TcpExt.TCPTimeouts)).toBe(0);
    expectSums(p.a.ledger);
    expectSums(p.b.ledger);
  });

  it('searches again after tcp_probe_interval, and finds a path that has become wider', () => {
    const p = narrowPath(1200, { tcp_mtu_probing: 2, tcp_timestamps: 0, tcp_probe_interval: 10 });
    p.transfer(500_000);
    expect(p.mss()).toBeLessThan(1160);
    p.limit.mtu = 1500;
    p.transfer(100_000);
    expect(p.mss()).toBeLessThan(1160);
    p.sim.pass(10e6);
    p.transfer(1_000_000);
    expect(p.mss()).toBeGreaterThan(1440);
  });

  it.each([
    ['does not probe across records that must stay whole', Msg.EOR, 0],
    ['probes across what may be joined', 0, 1],
  ])('%s', (_, flags, probes) => {
    const p = narrowPath(1500, { tcp_mtu_probing: 2, tcp_timestamps: 0 });
    p.transfer(10_240);
    p.s.setOption(Level.SOCKET, So.SNDBUF, 200_000);
    for (let i = 0; i < 60; i++) expect(p.s.send(filler(700), 0, 700, flags)).toBe(700);
    p.sim.pass(1e6);
    expect(Math.min(1, p.cell(TcpExt.TCPMTUPSuccess))).toBe(probes);
  });
});

describe('with tcp_mtu_probing = 1', () => {
  it('a connection that worked outlives the path that became narrow', () => {
    const p = narrowPath(1500, { tcp_mtu_probing: 1 });
    expect(p.transfer(100_000)).toBe(100_000);
    p.limit.mtu = 600;
    expect(p.transfer(100_000)).toBe(100_000);
    expect(p.mss()).toBeLessThan(560);
    const info = p.s.getOption(Level.TCP, TcpOpt.INFO) as { value: Record<string, number> };
    expect(info.value['tcpi_snd_mss']).toBe(p.mss());
  });

  it('stops at tcp_mtu_probe_floor', () => {
    const p = narrowPath(1500, { tcp_mtu_probing: 1, tcp_mtu_probe_floor: 300, tcp_timestamps: 0 });
    p.transfer(10_000);
    p.limit.mtu = 100;
    p.transfer(1000, 100e6);
    expect(p.mss()).toBe(300);
  });
});

describe('with tcp_mtu_probing = 0', () => {
  it('the same path is a black hole, and no connection has state for it', () => {
    const p = narrowPath(1500, {});
    p.transfer(100_000);
    expect(p.s.connection!.rare?.mtuProbe ?? null).toBeNull();
    p.limit.mtu = 600;
    expect(p.transfer(100_000, 60e6)).toBeLessThan(100_000);
  });
});
