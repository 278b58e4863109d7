/** The import rule of the house: `cli → mib ← daemon → stack's public face`, `stack → mib`, layers inside stack, one home per package. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const FOLDERS = ['mib', 'stack', 'daemon', 'cli', 'dashboards'];

interface Import {
  readonly from: string;
  readonly to: string;
  /** Erased at run time. */
  readonly type: boolean;
}

function files(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((e) => {
    const path = join(folder, e.name);
    if (e.isDirectory()) return files(path);
    return e.name.endsWith('.ts') ? [path] : [];
  });
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found: Import[] = [];
  const pattern =
    /^\s*(?:import|export)\s+(type\s)?[^;'"]*?from\s+['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|^import\s+['"]([^'"]+)['"]/gm;
  for (const m of text.matchAll(pattern)) {
    const target = (m[2] ?? m[3] ?? m[4])!;
    const to = target.startsWith('.') ? normalize(join(dirname(file), target)).replace(/\.js$/, '.ts') : target;
    found.push({ from: file, to, type: m[1] !== undefined });
  }
  return found;
}

const all = FOLDERS.flatMap(files).flatMap(importsOf);
const local = all.filter((i) => FOLDERS.some((f) => i.to.startsWith(`${f}/`)));
const packages = all.filter((i) => !local.includes(i));
const top = (path: string) => path.split('/')[0]!;

/** Layers of the stack, lowest first; a file may import its own layer and lower ones. */
const LAYERS = [
  'core',
  'wire',
  'link',
  'ip',
  'ip6',
  'arp',
  'icmp',
  'icmp6',
  'udp',
  'tcp',
  'socket',
  'services',
  'stack',
  'worker',
  'socket/node',
  'index',
];
const RANK: Record<string, number> = {
  core: 0, wire: 1, link: 1, ip: 2, ip6: 3, arp: 4, icmp: 4, icmp6: 5, udp: 5, tcp: 5, socket: 5, services: 6, stack: 7, worker: 8, 'socket/node': 8, index: 9,
}; // biome-ignore format: a table
function layer(path: string): string {
  const parts = path.split('/');
  if (parts.length === 2) return parts[1] === 'index.ts' ? 'index' : 'stack';
  return parts[1] === 'socket' && parts[2] === 'node' ? 'socket/node' : parts[1]!;
}

describe('imports', () => {
  it('found the house', () => {
    expect(local.length).toBeGreaterThan(50);
  });

  it('run only in the allowed directions between the folders', () => {
    const allowed: Record<string, string[]> = {
      mib: [],
      stack: ['mib'],
      daemon: ['mib', 'stack'],
      cli: ['mib'],
      dashboards: ['mib'],
    };
    const wrong = local.filter((i) => top(i.from) !== top(i.to) && !allowed[top(i.from)]!.includes(top(i.to)));
    expect(wrong.map((i) => `${i.from} → ${i.to}`)).toEqual([]);
  });

  it("reach the stack from the daemon only by its public face, and from dashboards only mib's catalogue", () => {
    const wrong = local.filter(
      (i) =>
        (top(i.from) === 'daemon' && top(i.to) === 'stack' && i.to !== 'stack/index.ts') ||
        (top(i.from) === 'dashboards' && top(i.to) === 'mib' && !i.to.startsWith('mib/catalogue/')),
    );
    expect(wrong.map((i) => `${i.from} → ${i.to}`)).toEqual([]);
  });

  it('run downward inside the stack', () => {
    expect(Object.keys(RANK).sort()).toEqual([...LAYERS].sort());
    const wrong = local
      .filter((i) => top(i.from) === 'stack' && top(i.to) === 'stack' && !i.type)
      .filter((i) => RANK[layer(i.from)] === undefined || RANK[layer(i.to)]! > RANK[layer(i.from)]!);
    expect(wrong.map((i) => `${i.from} → ${i.to}`)).toEqual([]);
  });

  it('make no circles at run time', () => {
    const graph = new Map<string, string[]>();
    for (const i of local) if (!i.type) graph.set(i.from, [...(graph.get(i.from) ?? []), i.to]);
    const circles: string[] = [];
    const state = new Map<string, 'open' | 'done'>();
    const visit = (file: string, path: string[]): void => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') {
        circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
        return;
      }
      state.set(file, 'open');
      for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
      state.set(file, 'done');
    };
    for (const file of graph.keys()) visit(file, []);
    expect(circles).toEqual([]);
  });

  it('give each npm package one home', () => {
    const homes: Record<string, RegExp> = {
      'net-snmp': /^(daemon\/snmp|cli\/sources)\//,
      fastify: /^daemon\/rest\//,
      typebox: /^daemon\//,
      'prom-client': /^daemon\/prometheus\//,
      yargs: /^cli\//,
      koffi: /^stack\/link\/tap/,
      '@grafana': /^dashboards\//,
    };
    const name = (to: string) => (to.startsWith('@grafana/') ? '@grafana' : to.split('/')[0]!);
    const wrong = packages
      .filter((i) => !i.to.startsWith('node:') && !i.type)
      .filter((i) => !(homes[name(i.to)]?.test(i.from) ?? false));
    expect(wrong.map((i) => `${i.from} → ${i.to}`)).toEqual([]);
  });

  it('use node: only at the edges', () => {
    const edges =
      /^(stack\/(link\/(tap|pcap)[^/]*|worker\/.*|socket\/node\/.*)|daemon\/.*|cli\/.*|dashboards\/.*|mib\/.*reader[^/]*)$/;
    const wrong = packages.filter((i) => i.to.startsWith('node:') && !edges.test(i.from));
    expect(wrong.map((i) => `${relative('.', i.from)} → ${i.to}`)).toEqual([]);
  });
});
