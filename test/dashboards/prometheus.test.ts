/** A real Prometheus scrapes a daemon under load: every query of every panel returns numbers. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dashboardFiles } from '../../dashboards/build.js';
import { DaemonProcess } from '../daemon/daemon-process.js';
import { needs, note } from '../support/needs.js';
import { concrete, panelsOf } from './panels-json.js';

const why = needs.tool('prometheus');
const queries = panelsOf([...dashboardFiles().values()][0]!).flatMap((p) =>
  p.targets.map((t) => [`${p.title}: ${t.legendFormat}`, concrete(t.expr)] as const),
);

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

interface Answer {
  readonly data?: {
    readonly result: readonly { readonly metric: Record<string, string>; readonly value: readonly [number, string] }[];
  };
}

describe.skipIf(why)(`Prometheus${note(why)}`, () => {
  let daemon: DaemonProcess;
  let prometheus: ChildProcess;
  let base = '';
  const scratch = mkdtempSync(join(tmpdir(), 'tsnetstat-prometheus-'));

  async function query(expr: string): Promise<number[]> {
    const answer = (await (await fetch(`${base}/api/v1/query?query=${encodeURIComponent(expr)}`)).json()) as Answer;
    return (answer.data?.result ?? []).map((r) => Number(r.value[1])).filter(Number.isFinite);
  }

  beforeAll(async () => {
    daemon = await DaemonProcess.start(['--embedded', 'yes', '--seed', '7']);
    const port = await freePort();
    base = `http://127.0.0.1:${port}`;
    const config = {
      global: { scrape_interval: '1s' },
      scrape_configs: [
        { job_name: 'tsnetstat', static_configs: [{ targets: [daemon.http] }] },
        { job_name: 'tsnetstat-node', metrics_path: '/metrics/node', static_configs: [{ targets: [daemon.http] }] },
      ],
    };
    writeFileSync(join(scratch, 'prometheus.yml'), JSON.stringify(config)); // JSON is YAML
    prometheus = spawn(
      'prometheus',
      [
        `--config.file=${join(scratch, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(scratch, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=error',
      ],
      { stdio: 'ignore' },
    );
  });
  afterAll(async () => {
    if (prometheus && prometheus.exitCode === null) {
      const gone = new Promise((resolve) => prometheus.once('exit', resolve));
      prometheus.kill('SIGTERM');
      await gone;
    }
    await daemon?.dispose();
    rmSync(scratch, { recursive: true, force: true });
  });

  it('scrapes both pages', async () => {
    await expect
      .poll(() => query('count_over_time(up[1m]) >= 4').catch(() => []), { timeout: 40_000, interval: 500 })
      .toHaveLength(2);
    expect(await query('up')).toEqual([1, 1]);
    expect(await query('scrape_samples_scraped > 390')).toHaveLength(2);
  });

  it.each(queries)('%s returns numbers', async (_name, expr) => {
    await expect.poll(async () => (await query(expr)).length, { timeout: 30_000, interval: 500 }).toBeGreaterThan(0);
  });

  it('shows traffic, not only zeros', async () => {
    for (const metric of ['tsnetstat_ip_in_receives_total', 'node_netstat_Ip_InReceives'])
      await expect
        .poll(() => query(`sum(rate(${metric}[10s]))`), { timeout: 30_000 })
        .toEqual([expect.toSatisfy((n: number) => n > 0)]);
  });
});
