/**
 * `netstat -s` as net-tools 2.10 prints it, byte for byte, from the text of /proc/net/{snmp,netstat,snmp6,sctp/snmp}.
 *
 * Groups come in file order, counters in file order. A counter that the group's table knows prints its sentence, any other one prints
 * `Name: value` when it is not 0. The indentation depends on what was printed last: behind an ICMP histogram lines stand 8 deep, and a
 * group without a table (IcmpMsg) does not reset that. Values are unsigned 64 bit as strtoull reads them: they wrap at -1 and saturate.
 */
import { counters } from '../catalogue/index.js';
import { legacyTcpExt, type Sentence, sctp } from '../catalogue/legacy.js';

/** Texts of the files; undefined for one that is missing. */
export interface StatisticsFiles {
  readonly snmp?: string | undefined;
  readonly netstat?: string | undefined;
  readonly snmp6?: string | undefined;
  readonly 'sctp/snmp'?: string | undefined;
}

export interface StatisticsFlags {
  readonly family: 4 | 6;
  /** -t, -u, -U, -S, -w. With none set, all groups are shown. */
  readonly tcp: boolean;
  readonly udp: boolean;
  readonly udplite: boolean;
  readonly sctp: boolean;
  readonly raw: boolean;
}

export interface Printed {
  readonly stdout: string;
  readonly stderr: string;
}

type Flag = 'tcp' | 'udp' | 'raw' | 'sctp';
interface Table {
  readonly flag: Flag;
  readonly sentences: ReadonlyMap<string, Sentence>;
}

function tableOf(flag: Flag, group: string, prefix = '', more: readonly Sentence[] = []): Table {
  const sentences = new Map(more.map((s) => [s.name, s]));
  for (const c of counters) {
    if (c.group.name !== group || !c.entry.print) continue;
    const { print, sentence = '' } = c.entry;
    sentences.set(prefix + c.entry.name, { name: prefix + c.entry.name, print, sentence });
  }
  return { flag, sentences };
}

const sctpTable: Table = { flag: 'sctp', sentences: new Map(sctp.map((s) => [s.name, s])) };
const tables: ReadonlyMap<string, Table> = new Map([
  ['Ip', tableOf('raw', 'Ip')],
  ['Icmp', tableOf('raw', 'Icmp')],
  ['Tcp', tableOf('tcp', 'Tcp')],
  ['Udp', tableOf('udp', 'Udp')],
  ['TcpExt', tableOf('tcp', 'TcpExt', '', legacyTcpExt)],
  ['Sctp', sctpTable],
]);
const tables6: ReadonlyMap<string, Table> = new Map([
  ['Ip6', tableOf('raw', 'Ip6', 'Ip6')],
  ['Icmp6', tableOf('raw', 'Icmp6', 'Icmp6')],
  ['Udp6', tableOf('udp', 'Udp6', 'Udp6')],
  ['Tcp6', tableOf('tcp', 'Tcp')],
]);

/** What was printed last decides the indentation of what follows. */
type State = 'number' | 'icmp-in' | 'icmp-out';
const TITLES = { 'icmp-in': 'ICMP input histogram:', 'icmp-out': 'ICMP output histogram:' } as const;

const U64 = 1n << 64n;

/** strtoull, base 10, from `at`: the value and where it ended (at `at` when there is no number). */
function unsigned(text: string, at: number): { value: bigint; end: number } {
  const m = /[ \t\n\v\f\r]*([+-]?)(\d+)/y;
  m.lastIndex = at;
  const found = m.exec(text);
  if (!found) return { value: 0n, end: at };
  const n = BigInt(found[2]!);
  const value = n >= U64 ? U64 - 1n : found[1] === '-' ? BigInt.asUintN(64, -n) : n;
  return { value, end: m.lastIndex };
}

class Printer {
  stdout = '';
  stderr = '';
  private state: State = 'number';
  private table: Table | undefined;
  private readonly flags: StatisticsFlags;
  private readonly all: boolean;

  constructor(flags: StatisticsFlags) {
    this.flags = flags;
    this.all = !(flags.tcp || flags.udp || flags.udplite || flags.sctp || flags.raw);
  }

  /** Starts a group. False when the filters hide it. */
  header(group: string, table: Table | undefined): boolean {
    this.table = table;
    if (table) this.state = 'number';
    if (table && !this.all && !this.flags[table.flag]) return false;
    this.stdout += `${group}:\n`;
    return true;
  }

  counter(name: string, value: bigint): void {
    const entry = this.table?.sentences.get(name);
    if (!entry) {
      if (value !== 0n) this.line(`${name}: ${value}`);
      return;
    }
    const print = entry.print;
    const histogram = print === 'icmp-in' || print === 'icmp-out';
    if (histogram && this.state !== print) this.line(TITLES[print]);
    this.state = histogram ? print : 'number';
    if (print === 'always' || (print !== 'never' && value !== 0n)) this.line(entry.sentence.replace('%', String(value)));
  }

  private line(text: string): void {
    this.stdout += (this.state === 'number' ? '    ' : '        ') + text + '\n';
  }
}

/** Lines with their newline, as getline gives them. */
function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** Pairs of lines: names, values. False when the file is no such file. @param only prefix of the groups wanted */
function linePairs(p: Printer, text: string, only: string): boolean {
  const lines = linesOf(text);
  for (let i = 0; i < lines.length; i++) {
    const names = lines[i]!;
    if (names === '\n') continue;
    const values = lines[++i];
    if (values === undefined) break;
    const colon = names.indexOf(':');
    const colon2 = values.indexOf(':');
    if (colon < 0 || colon2 < 0) return false;
    const group = names.slice(0, colon);
    if (!group.startsWith(only) || !p.header(group, tables.get(group))) continue;
    let at = colon2 + 1;
    for (const name of names.slice(colon + 1).split(/[ \t\n]+/)) {
      if (name === '') continue;
      const v = unsigned(values, at);
      at = v.end;
      p.counter(name, v.value);
    }
  }
  return true;
}

/**
 * snmp6: `name value` lines; a group is what stands up to the first 6, and lasts while names contain it. A line without a name, or without
 * a number, leaves the one before in place (the original's sscanf does not fill its variables then).
 */
function singleLines(p: Printer, text: string): void {
  let group = '';
  let shown = false;
  let name = '';
  let value = 0n;
  for (const line of linesOf(text)) {
    const m = /^[ \t\v\f\r]*([^ \t\n\v\f\r]+)/.exec(line);
    if (m) {
      name = m[1]!;
      const v = unsigned(line, m[0].length);
      if (v.end > m[0].length) value = v.value;
    }
    if (name === '') continue;
    if (group === '' || !name.includes(group)) {
      const six = name.indexOf('6');
      group = six < 0 ? name : name.slice(0, six + 1);
      shown = p.header(group, tables6.get(group));
    }
    if (shown) p.counter(name, value);
  }
}

/** sctp/snmp: `name value` lines; a line without a value says nothing. */
function sctpLines(p: Printer, text: string): void {
  if (!p.header('Sctp', sctpTable)) return;
  for (const line of linesOf(text)) {
    const m = /^([^ \t\n]*)[ \t\n]+(?=[^ \t\n])/.exec(line);
    if (m) p.counter(m[1]!, unsigned(line, m[0].length).value);
  }
}

const MISSING = (file: string) => `cannot open /proc/net/${file}: No such file or directory\n`;

/** Prints the statistics of one address family. Never fails: what is missing or unreadable is said on stderr, and the status stays 0. */
export function printStatistics(files: StatisticsFiles, flags: StatisticsFlags): Printed {
  const p = new Printer(flags);
  if (flags.family === 6) {
    if (files.snmp6 === undefined) return { stdout: '', stderr: MISSING('snmp6') };
    singleLines(p, files.snmp6);
    if (files.snmp === undefined) p.stderr += MISSING('snmp');
    else linePairs(p, files.snmp, 'Tcp');
  } else {
    if (files.snmp === undefined) return { stdout: '', stderr: MISSING('snmp') };
    for (const file of ['snmp', 'netstat'] as const) {
      const text = files[file];
      if (text !== undefined && !linePairs(p, text, '')) p.stderr += `Problem while parsing /proc/net/${file}\n`;
    }
    if (files['sctp/snmp'] !== undefined) sctpLines(p, files['sctp/snmp']);
  }
  return { stdout: p.stdout, stderr: p.stderr };
}
