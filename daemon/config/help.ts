/** What the schema says of itself: --help and the table in daemon/README.md. */
import { type Leaf, leaves } from './schema.js';

function flagOf(leaf: Leaf): string {
  if (leaf.type !== 'boolean') return `--${leaf.flag} ${leaf.arg}`;
  return leaf.fallback === true ? `--no-${leaf.flag}` : `--${leaf.flag}`;
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.join(',') || 'none';
  return value === '' ? 'empty' : String(value);
}

/** A boolean that is true by default has the flag that turns it off, so its help says what turning off does. */
function described(leaf: Leaf): string {
  return leaf.type === 'boolean' && leaf.fallback === true ? `do not ${leaf.description}` : leaf.description;
}

export function helpText(): string {
  const own: readonly [string, string][] = [
    ['--config PATH', 'read keys from this JSON file; flags and variables win over it'],
    ['--check', 'validate the configuration and stop'],
    ['--version', 'print the version and stop'],
    ['--help', 'print this and stop'],
  ];
  const rows = leaves.map((l): [string, string] => [
    flagOf(l),
    described(l) + (l.type === 'boolean' ? '' : ` [${shown(l.fallback)}]`),
  ]);
  const width = Math.max(...[...own, ...rows].map(([f]) => f.length)) + 2;
  const line = ([f, d]: readonly [string, string]) => `  ${f.padEnd(width)}${d}`;
  return [
    'Usage: tsnetstatd [options]',
    '',
    'A TCP/IP stack on a TAP, every event counted; shown by SNMP, Prometheus, REST and tsnetstat.',
    '',
    ...own.map(line),
    '',
    ...rows.map(line),
    '',
    'Every option is also a key of the config file (http.listen) and a variable (TSNETSTAT_HTTP_LISTEN).',
    '',
  ].join('\n');
}

/** Markdown rows, one a key. */
export function helpTable(): string {
  const cell = (s: string) => s.replaceAll('|', '\\|');
  return [
    '| key | flag | variable | default | what |',
    '| --- | --- | --- | --- | --- |',
    ...leaves.map(
      (l) => `| \`${l.path}\` | \`${cell(flagOf(l))}\` | \`${l.env}\` | ${cell(shown(l.fallback))} | ${cell(l.description)} |`,
    ),
  ].join('\n');
}
