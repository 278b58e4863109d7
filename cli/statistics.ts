/** `tsnetstat -s`: the statistics of the daemon's stack, of one of its connections, or of /proc/net files, as netstat prints them. */
import type { ConnectionCountersDto, CountersDto, GroupsDto, SnapshotDto } from '../mib/dto.js';
import { cellsOfGroups } from '../mib/snapshot.js';
import { printStatistics, type StatisticsFiles } from '../mib/text/netstat-s.js';
import { type ProcGroups, procNetstat, procSnmp, procSnmp6, readPairs, readSnmp6 } from '../mib/text/proc-counters.js';
import type { Flags } from './flags.js';
import { type Io, jsonText } from './io.js';
import type { DaemonSource } from './sources/daemon.js';
import type { ProcSource } from './sources/proc.js';

/** Which groups -t, -u and -w show in JSON; those without a flag are always shown, as in the text. */
const FILTERED: ReadonlyMap<string, 'tcp' | 'udp' | 'raw'> = new Map(
  Object.entries({
    Ip: 'raw',
    Icmp: 'raw',
    Ip6: 'raw',
    Icmp6: 'raw',
    Tcp: 'tcp',
    TcpExt: 'tcp',
    Udp: 'udp',
    Udp6: 'udp',
  } as const),
);

export async function statistics(flags: Flags, source: DaemonSource | ProcSource, io: Io): Promise<number> {
  if (flags.inet && flags.inet6) {
    io.out('netstat: No statistics support for specified address family: inet,inet6\n');
    return 1;
  }
  if ('read' in source) return ofProc(flags, source, io);
  if (flags.owners) return owners(flags, source, io);
  const answer = flags.connection === undefined ? await source.counters() : await source.connectionCounters(flags.connection);
  warnOf(answer, io);
  if (flags.json) {
    io.out(`${jsonText({ ...answer, counters: filtered(answer.counters, flags) })}\n`);
    return 0;
  }
  return print(flags, filesOf(answer), io);
}

function warnOf(answer: SnapshotDto, io: Io): void {
  if (!answer.consistent) io.err('tsnetstat: the stack did not answer in time: these counts are not of one moment\n');
}

async function owners(flags: Flags, source: DaemonSource, io: Io): Promise<number> {
  const { counters, rows, closed, unattributed, ...header } = await source.counterOwners();
  warnOf(header, io);
  const of = (groups: GroupsDto) => filtered(groups, flags);
  const answer = { ...header, counters: of(counters), rows: of(rows), closed: of(closed), unattributed: of(unattributed) };
  io.out(flags.json ? `${jsonText(answer)}\n` : (await import('./owners.js')).printOwners(answer));
  return 0;
}

function ofProc(flags: Flags, source: ProcSource, io: Io): number {
  const files = {
    snmp: source.read('snmp'),
    netstat: source.read('netstat'),
    snmp6: source.read('snmp6'),
    'sctp/snmp': source.read('sctp/snmp'),
  };
  if (!flags.json) return print(flags, files, io);
  const groups: ProcGroups = new Map();
  readPairs(files.snmp ?? '', groups);
  readPairs(files.netstat ?? '', groups);
  readSnmp6(files.snmp6 ?? '', groups);
  const counters = Object.fromEntries([...groups].map(([group, values]) => [group, Object.fromEntries(values)]));
  io.out(`${jsonText({ counters: filtered(counters, flags) })}\n`);
  return 0;
}

/** The stack's counters as the kernel's files would hold them: one printer for all sources. */
function filesOf(answer: CountersDto | ConnectionCountersDto): StatisticsFiles {
  const { cells } = cellsOfGroups(answer.counters);
  return { snmp: procSnmp(cells), netstat: procNetstat(cells), snmp6: procSnmp6(cells) };
}

function print(flags: Flags, files: StatisticsFiles, io: Io): number {
  const { stdout, stderr } = printStatistics(files, { ...flags, family: flags.inet6 ? 6 : 4 });
  if (stderr !== '') io.err(stderr);
  io.out(stdout, 'latin1');
  return 0;
}

function filtered<V>(groups: Record<string, Record<string, V>>, flags: Flags): Record<string, Record<string, V>> {
  const any = flags.tcp || flags.udp || flags.udplite || flags.sctp || flags.raw;
  const family = (group: string) =>
    flags.inet6 ? group.includes('6') || group === 'Tcp' : flags.inet ? !group.includes('6') : true;
  const shown = (group: string) => {
    const flag = FILTERED.get(group);
    return family(group) && (!any || flag === undefined || flags[flag]);
  };
  return Object.fromEntries(Object.entries(groups).filter(([group]) => shown(group)));
}
