/** Delivery rate samples: what TCP_INFO says of known paths, and marks on segments. */
import { describe, expect, it } from 'vitest';
import { Info } from '../../../mib/ledger/layout.js';
import { Level, type TcpInfo, TcpOpt } from '../../../stack/socket/socket.js';
import { NEVER } from '../../../stack/tcp/constants.js';
import { RateSample } from '../../../stack/tcp/delivery-rate.js';
import { RowRefresh } from '../../../stack/worker/introspection.js';
import { type Flow, Path } from '../../support/path.js';

const infoOf = (f: Flow): TcpInfo => (f.socket.getOption(Level.TCP, TcpOpt.INFO) as { value: TcpInfo }).value;
const PAYLOAD = 1448 / 1514;

describe('delivery rate', () => {
  it.each([
    ['reno', 10e6],
    ['cubic', 50e6],
    ['bbr', 50e6],
  ])('%s: over %i bit/s it is what the bottleneck lets through', (tcp_congestion_control, rate) => {
    const p = new Path({ delayUs: 20_000, bottleneck: { rate, queueLimit: 300 }, sysctl: { tcp_congestion_control } });
    const f = p.flow();
    p.sim.pass(6_000_000);
    p.watch(1_000_000, 50_000, () => {
      const i = infoOf(f);
      expect(i['tcpi_delivery_rate_app_limited']).toBe(0);
      expect(i['tcpi_delivery_rate']! * 8).toBeLessThan(rate * PAYLOAD * 1.01);
      expect(i['tcpi_delivery_rate']! * 8).toBeGreaterThan(rate * PAYLOAD * 0.6);
    });
  });

  it('is not fooled by ACKs that come in bunches', () => {
    const rate = 10e6;
    const p = new Path({ delayUs: 20_000, bottleneck: { rate, queueLimit: 300 }, sysctl: { tcp_congestion_control: 'reno' } });
    const f = p.flow();
    const back = p.wire.ba.settings;
    back.lose = () => {
      back.delayUs = 20_000 + (15_000 - (p.sim.nowUs % 15_000));
      return false;
    };
    p.sim.pass(2_000_000);
    p.watch(2_000_000, 10_000, () => expect(infoOf(f)['tcpi_delivery_rate']! * 8).toBeLessThan(rate * PAYLOAD * 1.25));
  });

  it('of a sender with little to send is application-limited, and the faster of such samples counts', () => {
    const p = new Path({ delayUs: 20_000 });
    const f = p.flow(0);
    f.send(1448);
    p.sim.pass(100_000);
    expect(infoOf(f)).toMatchObject({ tcpi_delivery_rate: 1448 / 0.04, tcpi_delivery_rate_app_limited: 1 });
    f.send(8 * 1448);
    p.sim.pass(100_000);
    expect(infoOf(f)).toMatchObject({ tcpi_delivery_rate: (8 * 1448) / 0.04, tcpi_delivery_rate_app_limited: 1 });
    f.send(2 * 1448);
    p.sim.pass(100_000);
    expect(infoOf(f)).toMatchObject({ tcpi_delivery_rate: (8 * 1448) / 0.04, tcpi_delivered: 12 });
  });

  it('a SACKed segment is sampled once: its cumulative acknowledgment brings nothing new', () => {
    const p = new Path({ delayUs: 20_000 });
    const f = p.flow(0);
    f.send(4 * 1448);
    const c = f.connection;
    const s = c.sendQueue.head!;
    const rs = new RateSample();
    rs.begin(4);
    p.sim.pass(5000);
    rs.note(c, s, true);
    expect(rs.priorDelivered).toBe(1);
    expect(s.deliveredUs).toBe(NEVER);
    rs.begin(3);
    rs.note(c, s, true);
    expect(rs.priorUs).toBe(NEVER);
    rs.finish(c, 0, 0, false);
    expect([rs.delivered, rs.intervalUs]).toEqual([-1, -1]);
  });

  it('says nothing while a receiver takes SACKed data back, nor of a time shorter than any round trip', () => {
    const p = new Path({ delayUs: 20_000 });
    const f = p.flow(0);
    f.send(10 * 1448);
    p.sim.pass(100_000);
    f.send(4 * 1448);
    const c = f.connection;
    const rs = new RateSample();
    p.sim.pass(1000);
    rs.begin(4);
    rs.note(c, c.sendQueue.head!, false);
    rs.finish(c, 1, 0, false);
    expect([rs.delivered, rs.intervalUs]).toEqual([0, -1]);
    p.sim.pass(1000);
    rs.begin(4);
    rs.note(c, c.sendQueue.head!, false);
    rs.finish(c, 1, 0, true);
    expect([rs.delivered, rs.intervalUs]).toEqual([-1, -1]);
    expect(c.rateDelivered).toBe(10);
  });

  it('a piece that is cut off has the marks of the whole', () => {
    const p = new Path({ delayUs: 20_000, offloads: true });
    const f = p.flow(0);
    f.send(6 * 1448);
    const c = f.connection;
    p.wire.ab.settings.lose = () => false;
    const whole = c.sendQueue.head!;
    const { firstTxUs, deliveredUs, deliveredThen, appLimited } = whole;
    p.sim.pass(40_000 - 1);
    for (let s = c.sendQueue.head; s !== null; s = s.next) {
      expect(s).toMatchObject({ firstTxUs, deliveredUs, deliveredThen, appLimited });
    }
    expect(appLimited).toBe(true);
  });

  it("stands in the connection's row, with the pacing rate and its bound", () => {
    const p = new Path({
      delayUs: 20_000,
      bottleneck: { rate: 20e6, queueLimit: 300 },
      sysctl: { tcp_congestion_control: 'bbr' },
    });
    const f = p.flow();
    p.sim.pass(2_000_000);
    const c = f.connection;
    const refresh = new RowRefresh(p.sender.stack);
    refresh.begin();
    while (refresh.step());
    const { ledger } = c.env;
    const row = ledger.headerAt(c.owner.row) / 2;
    const info = infoOf(f);
    for (const name of [
      'tcpi_pacing_rate',
      'tcpi_max_pacing_rate',
      'tcpi_delivery_rate',
      'tcpi_delivery_rate_app_limited',
      'tcpi_delivered_ce',
    ] as const)
      expect([name, ledger.cells[row + Info[name]]]).toEqual([name, info[name]]);
    expect(info['tcpi_pacing_rate']).toBeGreaterThan(1e6);
    expect(info['tcpi_max_pacing_rate']).toBe(2 ** 64);
  });
});
