/**
 * netstat's flags, parsed as getopt_long does: short flags in clusters (`-antu`, `-s6`), long ones whole or as a unique prefix, in any
 * order. By hand, because a hot command must not wait for an argument library to load.
 */

/** A command line that cannot be obeyed: one line for stderr, and the exit status (3, as netstat's). */
export class UsageError extends Error {
  readonly status = 3;
}

export interface Flags {
  statistics: number;
  interfaces: boolean;
  routes: boolean;
  groups: boolean;
  tcp: boolean;
  udp: boolean;
  udplite: boolean;
  sctp: boolean;
  raw: boolean;
  inet: boolean;
  inet6: boolean;
  all: boolean;
  listening: boolean;
  numericHosts: boolean;
  numericPorts: boolean;
  numericUsers: boolean;
  wide: boolean;
  timers: boolean;
  programs: boolean;
  /** How many -e. */
  extend: number;
  continuous: boolean;
  verbose: boolean;
  json: boolean;
  help: boolean;
  version: boolean;
  /** To whom the counters belong. */
  owners: boolean;
  /** `row.generation` or `local-remote`. */
  connection: string | undefined;
  socket: string | undefined;
  /** Folder with the files of /proc/net; '' for the kernel's own. */
  proc: string | undefined;
}

function noFlags(): Flags {
  return {
    statistics: 0,
    interfaces: false,
    routes: false,
    groups: false,
    tcp: false,
    udp: false,
    udplite: false,
    sctp: false,
    raw: false,
    inet: false,
    inet6: false,
    all: false,
    listening: false,
    numericHosts: false,
    numericPorts: false,
    numericUsers: false,
    wide: false,
    timers: false,
    programs: false,
    extend: 0,
    continuous: false,
    verbose: false,
    json: false,
    help: false,
    version: false,
    owners: false,
    connection: undefined,
    socket: undefined,
    proc: undefined,
  };
}

type Setter = (f: Flags) => void;
interface Option {
  readonly short?: string;
  readonly long: string;
  readonly set: (f: Flags, value: string) => void;
  /** Does a value follow? `optional`: only when the next word is no flag. */
  readonly value?: 'required' | 'optional';
}

const numeric: Setter = (f) => {
  f.numericHosts = f.numericPorts = f.numericUsers = true;
};

/** What netstat has and this program does not: said so, not guessed at. */
const ABSENT: ReadonlyMap<string, string> = new Map(
  Object.entries({
    x: 'unix sockets',
    unix: 'unix sockets',
    M: 'masqueraded connections',
    masquerade: 'masqueraded connections',
    C: 'the routing cache',
    cache: 'the routing cache',
    Z: 'SELinux contexts',
    context: 'SELinux contexts',
  }),
);

const FAMILIES: ReadonlyMap<string, Setter> = new Map(
  Object.entries<Setter>({
    inet: (f) => {
      f.inet = true;
    },
    inet6: (f) => {
      f.inet6 = true;
    },
  }),
);

function family(f: Flags, value: string): void {
  for (const name of value.split(',')) {
    const set = FAMILIES.get(name);
    if (!set) throw new UsageError(`unknown address family '${name}': inet and inet6 are known`);
    set(f);
  }
}

const flag =
  (name: keyof Flags): Setter =>
  (f) =>
    Object.assign(f, { [name]: true });

const OPTIONS: readonly Option[] = [
  { short: 's', long: 'statistics', set: (f) => f.statistics++ },
  { short: 'i', long: 'interfaces', set: flag('interfaces') },
  { short: 'r', long: 'route', set: flag('routes') },
  { short: 'g', long: 'groups', set: flag('groups') },
  { short: 't', long: 'tcp', set: flag('tcp') },
  { short: 'u', long: 'udp', set: flag('udp') },
  { short: 'U', long: 'udplite', set: flag('udplite') },
  { short: 'S', long: 'sctp', set: flag('sctp') },
  { short: 'w', long: 'raw', set: flag('raw') },
  { short: '4', long: 'inet', set: flag('inet') },
  { short: '6', long: 'inet6', set: flag('inet6') },
  { short: 'A', long: 'protocol', set: family, value: 'required' },
  { short: 'a', long: 'all', set: flag('all') },
  { short: 'l', long: 'listening', set: flag('listening') },
  { short: 'n', long: 'numeric', set: numeric },
  { long: 'numeric-hosts', set: flag('numericHosts') },
  { long: 'numeric-ports', set: flag('numericPorts') },
  { long: 'numeric-users', set: flag('numericUsers') },
  { short: 'W', long: 'wide', set: flag('wide') },
  { short: 'o', long: 'timers', set: flag('timers') },
  { short: 'p', long: 'programs', set: flag('programs') },
  { short: 'e', long: 'extend', set: (f) => f.extend++ },
  { short: 'c', long: 'continuous', set: flag('continuous') },
  { short: 'v', long: 'verbose', set: flag('verbose') },
  { short: 'N', long: 'symbolic', set: () => {} },
  { short: 'F', long: 'fib', set: () => {} },
  { short: 'h', long: 'help', set: flag('help') },
  { short: 'V', long: 'version', set: flag('version') },
  { long: 'json', set: flag('json') },
  { long: 'owners', set: flag('owners') },
  { long: 'connection', set: (f, value) => Object.assign(f, { connection: value }), value: 'required' },
  { long: 'socket', set: (f, value) => Object.assign(f, { socket: value }), value: 'required' },
  { long: 'proc', set: (f, value) => Object.assign(f, { proc: value }), value: 'optional' },
];
const byShort = new Map(OPTIONS.flatMap((o) => (o.short ? [[o.short, o] as const] : [])));

function longOption(name: string): Option {
  const exact = OPTIONS.find((o) => o.long === name);
  if (exact) return exact;
  if (ABSENT.get(name)) throw new UsageError(`--${name}: ${ABSENT.get(name)} are not shown by this program`);
  const near = OPTIONS.filter((o) => o.long.startsWith(name));
  if (near.length === 1) return near[0]!;
  if (near.length === 0) throw new UsageError(`unknown option '--${name}' (tsnetstat --help lists them)`);
  throw new UsageError(`option '--${name}' is ambiguous: ${near.map((o) => `--${o.long}`).join(', ')}`);
}

/** @throws UsageError */
export function parseFlags(args: readonly string[]): Flags {
  const flags = noFlags();
  const words = [...args];
  const takeValue = (o: Option, given: string | undefined, shown: string): string => {
    if (given !== undefined) return given;
    const next = words[0];
    const follows = next !== undefined && (o.value === 'required' || !next.startsWith('-'));
    if (follows) return words.shift()!;
    if (o.value === 'required') throw new UsageError(`option '${shown}' needs a value`);
    return '';
  };
  while (words.length > 0) {
    const word = words.shift()!;
    if (word === '--') break;
    if (word.startsWith('--')) longWord(flags, word, takeValue);
    else if (word.startsWith('-') && word.length > 1) shortWord(flags, word, takeValue);
    else throw new UsageError(`unknown command or argument '${word}' (tsnetstat --help lists them)`);
  }
  if (words.length > 0) throw new UsageError(`unknown argument '${words[0]}'`);
  check(flags);
  return flags;
}

type Take = (o: Option, given: string | undefined, shown: string) => string;

function longWord(flags: Flags, word: string, take: Take): void {
  const equals = word.indexOf('=');
  const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
  const given = equals < 0 ? undefined : word.slice(equals + 1);
  const option = longOption(name);
  if (option.value) option.set(flags, take(option, given, `--${option.long}`));
  else if (given !== undefined) throw new UsageError(`option '--${option.long}' takes no value`);
  else option.set(flags, '');
}

function shortWord(flags: Flags, word: string, take: Take): void {
  for (let i = 1; i < word.length; i++) {
    const letter = word[i]!;
    const option = byShort.get(letter);
    if (!option && ABSENT.get(letter)) throw new UsageError(`-${letter}: ${ABSENT.get(letter)} are not shown by this program`);
    if (!option) throw new UsageError(`unknown option '-${letter}' (tsnetstat --help lists them)`);
    if (!option.value) {
      option.set(flags, '');
      continue;
    }
    option.set(flags, take(option, word.slice(i + 1) || undefined, `-${letter}`));
    return;
  }
}

function check(f: Flags): void {
  const modes = f.statistics + Number(f.interfaces) + Number(f.routes);
  if (modes > 1 && !f.help && !f.version) throw new UsageError('only one of -s, -i and -r can be shown at a time');
  if (f.connection !== undefined && f.statistics === 0) throw new UsageError('--connection needs -s');
  if (f.connection !== undefined && f.proc !== undefined)
    throw new UsageError('--connection needs the daemon: /proc does not say whose a count is');
  if (f.owners && f.statistics === 0) throw new UsageError('--owners needs -s');
  if (f.owners && f.proc !== undefined) throw new UsageError('--owners needs the daemon: /proc does not say whose a count is');
  if (f.owners && f.connection !== undefined) throw new UsageError('--owners and --connection are two questions: give one');
  if (f.proc !== undefined && f.socket !== undefined) throw new UsageError('--proc and --socket are two sources: give one');
}
