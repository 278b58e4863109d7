/**
 * Puts the configuration together: defaults, then the file, then the environment, then flags; the last one that speaks wins. Whatever is
 * wrong ends in one ConfigError whose message names the place it came from, so that one line on stderr is enough to mend it.
 */
import { readFileSync } from 'node:fs';
import { Value } from 'typebox/value';
import { isLoopback } from '../../mib/text/address.js';
import { type Config, inNetwork, type Leaf, leaves, parseCidr, parseCidr6, parseListen, sameAddress6 } from './schema.js';

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Flags that are not keys of the configuration. */
export interface Invocation {
  readonly configPath: string | undefined;
  readonly help: boolean;
  readonly version: boolean;
  /** Validate and stop. */
  readonly check: boolean;
  readonly config: Config;
  /** TSNETSTAT_ variables that mean nothing here. */
  readonly unknownEnvironment: readonly string[];
}

interface Given {
  readonly value: unknown;
  /** Where it came from, as the user wrote it: `--address 1.2.3.4/99`. */
  readonly origin: string;
}

const byPath = new Map(leaves.map((l) => [l.path, l]));
const byFlag = new Map(leaves.map((l) => [l.flag, l]));
const sections = new Set(leaves.flatMap((l) => (l.path.includes('.') ? [l.path.slice(0, l.path.lastIndexOf('.'))] : [])));
/** Other variables of this prefix that tsnetstat and tsnetstatd read. */
const OTHER_VARIABLES = new Set(['TSNETSTAT_CONFIG', 'TSNETSTAT_DAEMON']);

/** @throws ConfigError with a one-line message. @param readFile for tests */
export function loadConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => string = (path) => readFileSync(path, 'utf8'),
): Invocation {
  const flags = parseFlags(argv);
  const configPath = flags.configPath ?? (env['TSNETSTAT_CONFIG'] || undefined);
  const given = new Map<string, Given>();
  if (configPath !== undefined) readConfigFile(configPath, readFile, given);
  for (const leaf of leaves) {
    const text = env[leaf.env];
    if (text !== undefined && text !== '')
      given.set(leaf.path, { value: fromText(leaf, text), origin: `${leaf.env}=${spoken(leaf, text)}` });
  }
  for (const [path, g] of flags.given) given.set(path, g);
  const known = new Set(leaves.map((l) => l.env));
  const config = assemble(given);
  checkTogether(config);
  return {
    configPath,
    help: flags.help,
    version: flags.version,
    check: flags.check,
    config,
    unknownEnvironment: Object.keys(env).filter((n) => n.startsWith('TSNETSTAT_') && !known.has(n) && !OTHER_VARIABLES.has(n)),
  };
}

/** The configuration with nothing given. */
export function defaultConfig(): Config {
  return assemble(new Map());
}

interface Flags {
  configPath: string | undefined;
  help: boolean;
  version: boolean;
  check: boolean;
  readonly given: Map<string, Given>;
}

function parseFlags(argv: readonly string[]): Flags {
  const out: Flags = { configPath: undefined, help: false, version: false, check: false, given: new Map() };
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (word === '-h') {
      out.help = true;
      continue;
    }
    if (!word.startsWith('--')) throw new ConfigError(`${word}: not understood; tsnetstatd takes only --options (see --help)`);
    const eq = word.indexOf('=');
    const name = word.slice(2, eq < 0 ? undefined : eq);
    if (name === 'help' || name === 'version' || name === 'check') {
      if (eq >= 0) throw new ConfigError(`--${name}: takes no value`);
      out[name] = true;
      continue;
    }
    const inline = eq < 0 ? undefined : word.slice(eq + 1);
    const takesValue = name === 'config' || (byFlag.has(name) && byFlag.get(name)!.type !== 'boolean');
    if (takesValue && inline === undefined && i + 1 >= argv.length) throw new ConfigError(`--${name}: needs a value`);
    const value = takesValue ? (inline ?? argv[++i]!) : inline;
    if (name === 'config') out.configPath = value!;
    else takeFlag(name, value, out.given);
  }
  return out;
}

function takeFlag(name: string, value: string | undefined, given: Map<string, Given>): void {
  const leaf = byFlag.get(name);
  if (leaf) {
    const origin = value === undefined ? `--${name}` : `--${name} ${spoken(leaf, value)}`;
    given.set(leaf.path, { value: value === undefined ? true : fromText(leaf, value), origin });
    return;
  }
  const negated = name.startsWith('no-') ? byFlag.get(name.slice(3)) : undefined;
  if (negated?.type !== 'boolean')
    throw new ConfigError(`--${name}: unknown option${suggestion(name, [...byFlag.keys()], '--')}`);
  if (value !== undefined) throw new ConfigError(`--${name}: takes no value`);
  given.set(negated.path, { value: false, origin: `--${name}` });
}

/** A value as an error may repeat it. */
function spoken(leaf: Leaf, text: string): string {
  return leaf.secret ? '(secret)' : text;
}

/** Text of a flag or variable as the type of its key; what does not fit stays text and fails validation. */
function fromText(leaf: Leaf, text: string): unknown {
  switch (leaf.type) {
    case 'boolean':
      if (text === 'true' || text === 'yes' || text === '1') return true;
      return text === 'false' || text === 'no' || text === '0' ? false : text;
    case 'integer':
      return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
    case 'array':
      return text === 'none' ? [] : text.split(',').filter((w) => w !== '');
    case 'string':
      return text;
  }
}

function readConfigFile(path: string, readFile: (path: string) => string, given: Map<string, Given>): void {
  let text: string;
  try {
    text = readFile(path);
  } catch (e) {
    throw new ConfigError(`${path}: cannot be read: ${(e as NodeJS.ErrnoException).code ?? (e as Error).message}`);
  }
  let tree: unknown;
  try {
    tree = JSON.parse(text);
  } catch (e) {
    throw new ConfigError(`${path}: not JSON: ${(e as Error).message.replaceAll('\n', ' ')}`);
  }
  if (!isObject(tree)) throw new ConfigError(`${path}: must hold one JSON object`);
  walk(tree, '', path, given);
}

function walk(tree: Record<string, unknown>, prefix: string, file: string, given: Map<string, Given>): void {
  for (const [name, value] of Object.entries(tree)) {
    const path = prefix ? `${prefix}.${name}` : name;
    const leaf = byPath.get(path);
    if (leaf) given.set(path, { value, origin: `${file}: ${path}: ${spoken(leaf, short(value))}` });
    else if (!sections.has(path))
      throw new ConfigError(`${file}: ${path}: unknown key${suggestion(path, [...byPath.keys()], '')}`);
    else if (isObject(value)) walk(value, path, file, given);
    else throw new ConfigError(`${file}: ${path}: must be an object of keys`);
  }
}

function assemble(given: ReadonlyMap<string, Given>): Config {
  const config: Record<string, unknown> = {};
  for (const leaf of leaves) {
    const g = given.get(leaf.path);
    if (g && !Value.Check(leaf.schema, g.value)) throw new ConfigError(`${g.origin}: must be ${leaf.must}`);
    const value = g ? g.value : structuredClone(leaf.fallback);
    const steps = leaf.path.split('.');
    let at = config;
    for (const step of steps.slice(0, -1)) at = (at[step] ??= {}) as Record<string, unknown>;
    at[steps.at(-1)!] = value;
  }
  return config as Config;
}

/** Rules between keys. */
function checkTogether(config: Config): void {
  const { address, hostAddress, gateway } = config;
  const stack = parseCidr(address)!;
  const host = parseCidr(hostAddress)!;
  if (config.tap.hostSetup && stack.address === host.address)
    throw new ConfigError(`address ${address} and hostAddress ${hostAddress}: must differ`);
  if (config.tap.hostSetup && !inNetwork(address, host.address))
    throw new ConfigError(`hostAddress ${hostAddress}: must lie in the network of address ${address}`);
  if (gateway !== '' && !inNetwork(address, gateway))
    throw new ConfigError(`gateway ${gateway}: must lie in the network of address ${address}`);
  if (config.tap.attach !== '' && config.embedded === 'yes')
    throw new ConfigError(`tap.attach ${config.tap.attach} and embedded yes: only one of the two can be`);
  if (config.address6 !== 'off') checkIpv6(config);
  const listen = parseListen(config.http.listen);
  if (listen && !isLoopback(listen.host) && config.http.token === '')
    throw new ConfigError(`http.listen ${config.http.listen}: http.token must be set to listen on more than a loopback address`);
}

function checkIpv6({ address6, hostAddress6, gateway6, tap }: Config): void {
  const stack = parseCidr6(address6)!;
  const host = parseCidr6(hostAddress6)!;
  if (tap.hostSetup && sameAddress6(stack.address, host.address))
    throw new ConfigError(`address6 ${address6} and hostAddress6 ${hostAddress6}: must differ`);
  if (tap.hostSetup && !inNetwork(address6, host.address))
    throw new ConfigError(`hostAddress6 ${hostAddress6}: must lie in the network of address6 ${address6}`);
  if (gateway6 !== '' && !inNetwork(address6, gateway6) && !inNetwork('fe80::/10', gateway6))
    throw new ConfigError(`gateway6 ${gateway6}: must lie in the network of address6 ${address6}, or be link-local`);
}

function isObject(v: unknown): v is Record<string, unknown> {
  return typeof v === 'object' && v !== null && !Array.isArray(v);
}

function short(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** " (did you mean X?)" when a known word is near. */
function suggestion(word: string, known: readonly string[], prefix: string): string {
  let best = '';
  let least = 3;
  for (const k of known) {
    const d = distance(word.toLowerCase(), k.toLowerCase());
    if (d < least) {
      least = d;
      best = k;
    }
  }
  return best ? ` (did you mean ${prefix}${best}?)` : '';
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
