import { beforeEach, describe, expect, it } from 'vitest';
import { END_MARKS, type Format } from '../../daemon/prometheus/exposition.js';
import { Layout } from '../../daemon/prometheus/layout.js';
import { Page } from '../../daemon/prometheus/page.js';
import { MetricsPages } from '../../daemon/prometheus/pages.js';
import { Series } from '../../daemon/prometheus/series.js';
import type { Moment } from '../../daemon/snapshot.js';
import { View } from '../../daemon/view.js';
import { Icmp6Msg, IcmpMsg, Tcp } from '../../mib/catalogue/index.js';
import { Dev } from '../../mib/catalogue/interface.js';
import { deviceCell } from '../../mib/ledger/layout.js';
import { type MadeUpStack, madeUpStack } from './made-up-stack.js';

let stack: MadeUpStack;
let moment: Moment;
beforeEach(async () => {
  ({ stack } = madeUpStack());
  moment = await new View(stack, { cacheMs: 0, timeoutMs: 1000 }).moment();
});

describe('a page', () => {
  let extra = 0;
  const lay = (format: Format = 'text') => {
    const out = new Layout(format);
    out.family('segs', 'counter', 'µs and “quotes” count as octets');
    out.cell(Tcp.InSegs);
    out.cell(Tcp.RtoMin, [['unit', 'ms']], 0.001);
    out.endSection();
    out.single('extra', 'gauge', 'From a getter', () => extra);
    out.family('bytes', 'counter', 'A device’s');
    out.cell(deviceCell(1, Dev.txBytes), [['device', 'é"\\']]);
    out.family('took', 'gauge', 'Of the section');
    out.sample(() => out.durations[0]!, [['section', 'first']]);
    return new Page(out, END_MARKS[format]);
  };
  const fill = (page: Page, tail = '') => {
    let now = 0;
    page.fill(moment, tail, () => (now += 250));
    const { bytes, release } = page.lend();
    const text = bytes.toString();
    release();
    return text;
  };
  const expected = (segs: number, rto: number, gauge: number, bytes: number) =>
    [
      '# HELP segs_total µs and “quotes” count as octets',
      '# TYPE segs_total counter',
      `segs_total ${segs}`,
      `segs_total{unit="ms"} ${rto}`,
      '# HELP extra From a getter',
      '# TYPE extra gauge',
      `extra ${gauge}`,
      '# HELP bytes_total A device’s',
      '# TYPE bytes_total counter',
      `bytes_total{device="é\\"\\\\"} ${bytes}`,
      '# HELP took Of the section',
      '# TYPE took gauge',
      'took{section="first"} 0.25',
      '',
    ].join('\n');
  const set = (segs: number, rto: number, gauge: number, bytes: number) => {
    const { published } = moment.snapshot;
    published[Tcp.InSegs] = segs;
    published[Tcp.RtoMin] = rto * 1000;
    extra = gauge;
    published[deviceCell(1, Dev.txBytes)] = bytes;
  };

  it('shows the numbers of the moment, longer and shorter than before', () => {
    const page = lay();
    const all: readonly (readonly [number, number, number, number])[] = [
      [0, 0, 0, 0],
      [7, 0.2, 1, 9],
      [123456789, 0.25, 4.5e-7, 2 ** 52],
      [123456790, 0.25, Number.POSITIVE_INFINITY, 3],
      [1, 120, 0, 10],
    ];
    for (const numbers of all) {
      set(...numbers);
      expect(fill(page)).toBe(expected(...numbers).replace('Infinity', '+Inf'));
    }
  });

  it('has whole lines of others and the end mark behind', () => {
    const page = lay('openmetrics');
    set(1, 0.2, 3, 4);
    const first = fill(page, 'a 1\n');
    expect(first.endsWith('} 0.25\na 1\n# EOF\n')).toBe(true);
    set(100, 0.2, 3, 4);
    const second = fill(page, 'µ 1\nb 2\n');
    expect(second).toBe(first.replace('segs_total 1\n', 'segs_total 100\n').replace('a 1\n', 'µ 1\nb 2\n'));
    expect(fill(page, '')).toBe(second.replace('µ 1\nb 2\n', ''));
  });

  it('does not change under who is sending it', () => {
    const page = lay();
    set(1, 0.2, 3, 4);
    page.fill(moment, '', () => 0);
    const lent = page.lend();
    const again = page.lend();
    expect(again.bytes.buffer).toBe(lent.bytes.buffer);
    const text = lent.bytes.toString();
    set(22222, 0.2, 3, 4);
    page.fill(moment, '', () => 0);
    const next = page.lend();
    expect(next.bytes.buffer).not.toBe(lent.bytes.buffer);
    expect(next.bytes.toString()).toBe(text.replace('segs_total 1\n', 'segs_total 22222\n'));
    expect(lent.bytes.toString()).toBe(text);
    lent.release();
    lent.release(); // once more: the other still reads
    set(33333, 0.2, 3, 4);
    page.fill(moment, '', () => 0);
    expect(page.lend().bytes.buffer).not.toBe(again.bytes.buffer);
    expect(again.bytes.toString()).toBe(text);
  });

  it('goes on in a buffer that was given back, and in the same one while nobody reads', () => {
    const page = lay();
    const buffers = new Set<ArrayBufferLike>();
    let last = page.lend();
    for (let n = 0; n < 50; n++) {
      set(10 ** (n % 12), 0.2, n, 4);
      page.fill(moment, '', () => 0);
      const lent = page.lend();
      buffers.add(lent.bytes.buffer);
      last.release();
      last = lent;
    }
    expect(buffers.size).toBe(2);
    last.release();
    set(5, 0.2, 3, 4);
    page.fill(moment, '', () => 0);
    expect(page.lend().bytes.buffer).toBe(last.bytes.buffer);
  });

  it('takes a larger buffer when what others wrote has grown', () => {
    const page = lay();
    set(1, 0.2, 3, 4);
    const long = 'x 1\n'.repeat(50_000);
    const text = fill(page, long);
    expect(text.endsWith(long)).toBe(true);
    expect(fill(page)).toBe(text.slice(0, -long.length));
  });
});

describe('series', () => {
  it('are others when a device is, or when a type is met', () => {
    const series = new Series();
    const generations = [moment, moment].map((m) => {
      series.look(m);
      return series.generation;
    });
    expect(generations).toEqual([1, 1]);
    const { cells } = moment.snapshot;
    const before = series.types(Icmp6Msg.Out);
    cells[Icmp6Msg.Out + 255] = 1;
    series.look(moment);
    expect([series.generation, series.types(Icmp6Msg.Out)]).toEqual([2, [...before, 255]]);
    expect(series.types(IcmpMsg.Out)).not.toContain(255);
    cells[Icmp6Msg.Out + 255] = 0;
    series.look(moment);
    expect([series.generation, series.types(Icmp6Msg.Out)]).toEqual([3, before]);
  });

  it('that come and go are on the next page', async () => {
    const pages = new MetricsPages(new View(stack, { cacheMs: 0, timeoutMs: 1000, nowMs: clock() }), {
      version: '1',
      mode: 'tap',
    });
    const shown = async (path: '/metrics' | '/metrics/node') => {
      const { bytes, release } = await pages.page(path, undefined);
      release();
      return bytes.toString();
    };
    expect(await shown('/metrics')).not.toContain('type="77"');
    stack.ledger.unattributed.add(IcmpMsg.In + 77, 5);
    expect(await shown('/metrics')).toContain('tsnetstat_icmp_msg_in_total{type="77"} 5\n');
    expect(await shown('/metrics/node')).toContain('node_netstat_IcmpMsg_InType77 5\n');
    stack.addDevice('tsn9');
    expect(await shown('/metrics')).toContain('tsnetstat_device_receive_bytes_total{device="tsn9"} ');
    expect(await shown('/metrics/node')).toContain('node_network_up{device="tsn9"} 1\n');
  });
});

/** Each look is a minute later: no table is taken for fresh. */
function clock(): () => number {
  let now = 0;
  return () => (now += 60_000);
}
