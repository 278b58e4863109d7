import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { MetricsPages } from '../../daemon/prometheus/pages.js';
import { View } from '../../daemon/view.js';
import { dashboardFiles } from '../../dashboards/build.js';
import { per } from '../../dashboards/query.js';
import { madeUpStack } from '../daemon/made-up-stack.js';
import { needs, note } from '../support/needs.js';
import { concrete, type PanelJson, panelsOf } from './panels-json.js';

const folder = fileURLToPath(new URL('../../dashboards/', import.meta.url));
const text = [...dashboardFiles().values()][0]!;
const dashboard = JSON.parse(text) as { editable: boolean; uid: string; templating: { list: Record<string, unknown>[] } };
const panels = panelsOf(text);
const queries = panels.flatMap((p) => p.targets.map((t) => [`${p.title}: ${t.legendFormat}`, t.expr] as const));

describe('the Overview dashboard', () => {
  it('is committed as build.ts writes it', () => {
    const names = readdirSync(join(folder, 'grafana/dashboards'));
    expect(names).toEqual([...dashboardFiles().keys()]);
    for (const [name, content] of dashboardFiles())
      expect(
        readFileSync(join(folder, 'grafana/dashboards', name), 'utf8') === content,
        `${name} is stale: run npx tsx dashboards/build.ts`,
      ).toBe(true);
  });

  it('has data source, job and instance variables, and is not to be edited in place', () => {
    expect(dashboard.templating.list.map((v) => [v['name'], v['type'], v['multi'], v['allValue']])).toEqual([
      ['datasource', 'datasource', false, undefined],
      ['job', 'query', true, '.+'],
      ['instance', 'query', true, '.+'],
    ]);
    expect(dashboard.editable).toBe(false);
  });

  it('gives every panel id, title, description, unit, place and data source', () => {
    expect(panels.length).toBeGreaterThan(20);
    expect(new Set(panels.map((p) => p.id)).size).toBe(panels.length);
    for (const p of panels) {
      expect(p.title.length, JSON.stringify(p.gridPos)).toBeGreaterThan(1);
      expect(p.description.length, p.title).toBeGreaterThan(20);
      expect(p.fieldConfig.defaults.unit, p.title).toMatch(/^\w+$/);
      expect(p.datasource, p.title).toEqual({ type: 'prometheus', uid: '$datasource' });
      expect(new Set(p.targets.map((t) => t.refId)).size, p.title).toBe(p.targets.length);
    }
  });

  it('lets no two panels lie on each other', () => {
    const taken = new Set<string>();
    for (const { gridPos: g, title } of panels as readonly PanelJson[])
      for (let x = g.x; x < g.x + g.w; x++)
        for (let y = g.y; y < g.y + g.h; y++) {
          expect(x, title).toBeLessThan(24);
          expect(taken.has(`${x},${y}`), title).toBe(false);
          taken.add(`${x},${y}`);
        }
  });

  it.each(queries)('%s goes through the variables, and counters through a rate', (_name, expr) => {
    const selectors = [...expr.matchAll(/([a-z_]+)\{([^}]*)\}(\[\$__rate_interval\])?/g)];
    expect(selectors.length).toBeGreaterThan(0);
    for (const [, name, matchers, range] of selectors) {
      expect(matchers).toContain('job=~"$job"');
      expect(matchers).toContain('instance=~"$instance"');
      expect(range !== undefined).toBe(/_(total|sum|count)$/.test(name!));
    }
  });

  it('refuses a counter that does not exist', () => {
    expect(() => per('Tcp.RetransSeg', 'typo')).toThrow('no such counter: Tcp.RetransSeg');
  });
});

describe('its expressions', () => {
  const labels = new Map<string, Set<string>>();
  beforeAll(async () => {
    const view = new View(madeUpStack().stack, { cacheMs: 0, timeoutMs: 1000 });
    const pages = new MetricsPages(view, { version: '1', mode: 'tap' });
    await pages.page('/metrics', undefined);
    const page = await pages.page('/metrics', undefined);
    for (const [, name, list] of page.bytes.toString().matchAll(/^([a-z_0-9]+)(?:\{(.*)\})? /gm)) {
      const known = labels.get(name!) ?? new Set(['job', 'instance']);
      for (const [, label] of (list ?? '').matchAll(/(\w+)="/g)) known.add(label!);
      labels.set(name!, known);
    }
  });

  it.each(queries)('%s uses metrics and labels that the daemon shows', (name, expr) => {
    const used = [...expr.matchAll(/\b(tsnetstat_[a-z_0-9]+|process_[a-z_]+|nodejs_[a-z_]+)\{/g)].map((m) => m[1]!);
    expect(used.length).toBeGreaterThan(0);
    const grouping = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap((m) => m[1]!.split(/, */));
    const legend = [...name.matchAll(/\{\{(\w+)\}\}/g)].map((m) => m[1]!);
    for (const metric of used) {
      expect(labels.has(metric), metric).toBe(true);
      for (const label of [...grouping, ...legend]) expect([...labels.get(metric)!], metric).toContain(label);
    }
    expect(legend.every((l) => grouping.includes(l))).toBe(true);
  });

  const promtool = needs.tool('promtool');
  it.skipIf(promtool)(`are PromQL to promtool, and prometheus.yml is its configuration${note(promtool)}`, () => {
    const scratch = mkdtempSync(join(tmpdir(), 'tsnetstat-rules-'));
    try {
      const rules = queries.map(([, expr], i) => ({ record: `panel:query:${i}`, expr: concrete(expr) }));
      writeFileSync(join(scratch, 'rules.yml'), JSON.stringify({ groups: [{ name: 'panels', rules }] }));
      const check = spawnSync('promtool', ['check', 'rules', join(scratch, 'rules.yml')], { encoding: 'utf8' });
      expect([check.status, check.stderr]).toEqual([0, '']);
      expect(check.stdout).toContain(`SUCCESS: ${queries.length} rules found`);
      const config = spawnSync('promtool', ['check', 'config', join(folder, 'prometheus/prometheus.yml')], { encoding: 'utf8' });
      expect([config.status, config.stderr]).toEqual([0, '']);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  });
});
