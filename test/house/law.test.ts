/** Rules of the house that can be read off the sources: size of files, time and chance as arguments, one counter one entry. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { counters, groups } from '../../mib/catalogue/index.js';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

function files(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((e) => {
    const path = join(folder, e.name);
    if (e.isDirectory()) return files(path);
    return e.name.endsWith('.ts') ? [path] : [];
  });
}
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const product = ['mib', 'stack', 'daemon', 'cli', 'dashboards'].flatMap(files);

describe('the house', () => {
  it('takes time and chance as arguments below the worker', () => {
    const edges = /^stack\/(link\/(tap|pcap)[^/]*|worker\/.*|socket\/node\/.*)$/;
    const wrong = files('stack')
      .filter((f) => !edges.test(f))
      .filter((f) =>
        /\bDate\.now|Math\.random|\bsetTimeout\(|\bsetInterval\(|performance\.now|process\.hrtime|new Date\(\)/.test(read(f)),
      );
    expect(wrong).toEqual([]);
  });

  it('has files that can be read in one sitting (the catalogue is data)', () => {
    const long = product.filter((f) => !f.startsWith('mib/catalogue/')).filter((f) => read(f).split('\n').length > 540);
    expect(long).toEqual([]);
  });

  it('names nothing outside the repository', () => {
    const wrong = product.filter((f) => /\/work\/|registry\.npmjs|deb\.debian/.test(read(f)));
    expect(wrong).toEqual([]);
  });

  it('has a README in each folder', () => {
    const folders = new Set([...product.map(dirname), 'test', ...files('test').map((f) => f.split('/').slice(0, 2).join('/'))]);
    // the folders that mirror the product's are told of in test/README.md
    const mirrors = /^test\/(mib|stack|daemon|cli|dashboards)$/;
    const missing = [...folders].filter((f) => !mirrors.test(f) && !existsSync(join(root, f, 'README.md')));
    expect(missing).toEqual([]);
  });
});

describe('a counter of the catalogue', () => {
  const stack = files('stack').map(read).join('\n');
  /** `Tcp.InSegs`; a group's cells may also be reached through a table of ids (`Udp` handed to UdpLayer): the name alone counts then. */
  const mentioned = (group: string, name: string) =>
    new RegExp(`\\b${group}\\.${name}\\b`).test(stack) || (/^Udp/.test(group) && new RegExp(`\\.${name}\\b`).test(stack));

  it.each(groups.map((g) => [g.name, g] as const))('of %s is moved by the stack, or says why not', (_, group) => {
    const entries = counters.filter((c) => c.group === group && c.entry.kind !== 'constant' && !c.entry.slot);
    const silent = entries.filter((c) => !c.entry.unsupported && !mentioned(group.name, c.entry.name)).map((c) => c.key);
    const untrue = entries.filter((c) => c.entry.unsupported && mentioned(group.name, c.entry.name)).map((c) => c.key);
    expect({ silent, untrue }).toEqual({ silent: [], untrue: [] });
  });
});
