import { spawnSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { END_MARKS, type Format, formatOf } from '../../daemon/prometheus/exposition.js';
import { Layout } from '../../daemon/prometheus/layout.js';
import { nativeMetrics } from '../../daemon/prometheus/names.js';
import { layNative } from '../../daemon/prometheus/native.js';
import { layNode } from '../../daemon/prometheus/node.js';
import { Page } from '../../daemon/prometheus/page.js';
import { MetricsPages } from '../../daemon/prometheus/pages.js';
import { Series } from '../../daemon/prometheus/series.js';
import type { Moment } from '../../daemon/snapshot.js';
import { View } from '../../daemon/view.js';
import { counters } from '../../mib/catalogue/index.js';
import { snake } from '../../mib/catalogue/metric-name.js';
import { needs, note } from '../support/needs.js';
import { madeUpStack } from './made-up-stack.js';

const info = { version: '1.2.3', mode: 'tap' };
const golden = (name: string) => new URL(`../golden/daemon/${name}`, import.meta.url).pathname;
let moment: Moment;
let view: View;
beforeAll(async () => {
  view = new View(madeUpStack().stack, { cacheMs: 0, timeoutMs: 1000 });
  moment = await view.moment();
});
const pageOf = (format: Format, lay: (out: Layout, series: Series) => void) => {
  const out = new Layout(format);
  const series = new Series();
  series.look(moment);
  lay(out, series);
  return new Page(out, END_MARKS[format]);
};
const shown = (page: Page) => {
  let now = 0;
  page.fill(moment, '', () => now++);
  const { bytes, release } = page.lend();
  const text = bytes.toString();
  release();
  return text;
};
const native = (format: Format) => shown(pageOf(format, (out, series) => layNative(out, series, info)));
const uname = { machine: 'x86_64', nodename: 'here', release: '1.2.3', version: 'Node v20' };
const node = (format: Format) => shown(pageOf(format, (out, series) => layNode(out, series, uname)));

describe('metrics', () => {
  it('native names, whole page', async () => {
    await expect(native('text')).toMatchFileSnapshot(golden('metrics.txt'));
  });
  it('native names as OpenMetrics, whole page', async () => {
    await expect(native('openmetrics')).toMatchFileSnapshot(golden('metrics.openmetrics.txt'));
  });
  it("node_exporter's names, whole page", async () => {
    await expect(node('text')).toMatchFileSnapshot(golden('metrics-node.txt'));
  });

  it('shows what has moved since the last page, and only that', () => {
    const { cells } = moment.snapshot;
    const page = pageOf('text', (out, series) => layNative(out, series, info));
    const before = shown(page);
    const at = (n: number) => nativeMetrics[n]!.counter.id;
    const old = [cells[at(0)]!, cells[at(300)]!];
    cells[at(0)] = 123456;
    cells[at(300)] = 0.5;
    const after = shown(page);
    [cells[at(0)], cells[at(300)]] = old as [number, number];
    const lines = before.split('\n');
    const moved = after.split('\n').filter((line, i) => line !== lines[i]);
    expect(moved).toEqual(
      [0, 300].map((n) => expect.stringMatching(`^tsnetstat_${nativeMetrics[n]!.family.replace('tsnetstat_', '')}(_total)? `)),
    );
    expect(shown(page)).toBe(before);
    expect(before).toBe(native('text'));
  });

  it('names every counter of the catalogue once', () => {
    expect(nativeMetrics.map((m) => m.counter)).toEqual([...counters]);
    expect(new Set(nativeMetrics.map((m) => m.family)).size).toBe(counters.length);
  });

  it.each([
    ['InSegs', 'in_segs'],
    ['InNoECTPkts', 'in_no_ect_pkts'],
    ['InECT0Pkts', 'in_ect0_pkts'],
    ['TCPHPHits', 'tcp_hp_hits'],
    ['DelayedACKs', 'delayed_acks'],
    ['ReasmOKs', 'reasm_oks'],
    ['TCPSpuriousRTOs', 'tcp_spurious_rtos'],
    ['TCPMD5NotFound', 'tcp_md5_not_found'],
    ['TCPACKSkippedFinWait2', 'tcp_ack_skipped_fin_wait2'],
    ['MPJoinSynAckHMacFailure', 'mp_join_syn_ack_hmac_failure'],
    ['InMLDv2Reports', 'in_mldv2_reports'],
    ['TW', 'tw'],
  ])('%s is %s', (name, expected) => {
    expect(snake(name)).toBe(expected);
  });

  it("shows the cells' values: sum over samples equals the ledger", () => {
    const text = native('text');
    for (const m of nativeMetrics) {
      const name = m.type === 'counter' ? `${m.family}_total` : m.family;
      const value = Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
      expect(value, name).toBeCloseTo(moment.snapshot.value(m.counter.id) * m.scale, 9);
      const node_ = new RegExp(`^node_netstat_${m.counter.group.name}_${m.counter.entry.name} (\\S+)$`, 'm').exec(node('text'));
      expect(Number(node_?.[1])).toBe(moment.snapshot.value(m.counter.id));
    }
  });

  it.each([
    [undefined, 'text'],
    ['*/*', 'text'],
    ['text/plain;version=0.0.4', 'text'],
    [
      'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;q=0.5,*/*;q=0.1',
      'openmetrics',
    ],
    ['application/openmetrics-text;q=0.2,text/plain', 'text'],
    ['application/openmetrics-text;q=0', 'text'],
  ] as const)('Accept %s gives %s', (accept, format) => {
    expect(formatOf(accept)).toBe(format);
  });

  it("adds the daemon's own series behind the native ones, in both formats", async () => {
    const pages = new MetricsPages(view, info);
    await pages.page('/metrics', undefined);
    const page = await pages.page('/metrics', undefined);
    expect(page.contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
    const text = page.bytes.toString();
    expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
    expect(text).toMatch(/^tsnetstat_scrape_duration_seconds_bucket\{le="\+Inf",path="\/metrics"\} 1$/m);
    expect(text).toMatch(/^tsnetstat_scrape_duration_seconds_count\{path="\/metrics"\} 1$/m);
    expect(text).toMatch(/^tsnetstat_scrapes_total\{path="\/metrics",result="success"\} 1$/m);
    const open = (await pages.page('/metrics', 'application/openmetrics-text')).bytes.toString();
    expect(open).toMatch(/# TYPE process_cpu_seconds counter\nprocess_cpu_seconds_total /);
    expect(open.endsWith('# EOF\n')).toBe(true);
    expect(open.match(/# EOF/g)).toHaveLength(1);
  });

  const promtool = needs.tool('promtool');
  it.skipIf(promtool)(`promtool has nothing to say about the native page${note(promtool)}`, async () => {
    const { bytes } = await new MetricsPages(view, info).page('/metrics', undefined);
    const done = spawnSync('promtool', ['check', 'metrics'], { input: bytes, encoding: 'utf8' });
    expect([done.status, done.stdout, done.stderr]).toEqual([0, '', '']);
  });
});
