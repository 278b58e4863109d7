/** `tsnetstat -g`: the multicast groups that interfaces are in, in the columns of net-tools 2.10. */
import type { GroupDto } from '../../mib/dto.js';
import { type GroupLine, readIgmp, readIgmp6 } from '../../mib/text/proc-groups.js';
import type { Flags } from '../flags.js';
import type { Names } from '../names.js';
import type { ProcSource } from '../sources/proc.js';

const HEAD =
  'IPv6/IPv4 Group Memberships\n' + 'Interface       RefCnt Group\n' + '--------------- ------ ---------------------\n';

export interface GroupTable {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number;
}

const both = (flags: Flags) => flags.inet === flags.inet6;

/** Without the file of IPv4 the status is 1, unless a family was chosen: then that is what was to be expected. */
export function groupsOfProc(flags: Flags, source: ProcSource, names: Names): GroupTable {
  const lines: GroupLine[] = [];
  let stderr = '';
  let status = 0;
  const take = (file: string, found: { readonly lines: readonly GroupLine[]; readonly bogus: readonly number[] }) => {
    lines.push(...found.lines);
    for (const n of found.bogus) stderr += `warning, got bogus ${file} line ${n}.\n`;
  };
  if (both(flags) || flags.inet) {
    const text = source.read('igmp');
    if (text === undefined && !flags.inet) {
      stderr += "netstat: no support for `AF INET (igmp)' on this system.\n";
      status = 1;
    }
    take('igmp', readIgmp(text ?? ''));
  }
  if (both(flags) || flags.inet6) take('igmp6', readIgmp6(source.read('igmp6') ?? ''));
  return { stdout: HEAD + lines.map((l) => lineText(flags, l, names)).join(''), stderr, status };
}

export function groupsOfDaemon(flags: Flags, groups: readonly GroupDto[], names: Names): string {
  const shown = groups.filter((g) => both(flags) || (g.family === 4 ? flags.inet : flags.inet6));
  return HEAD + shown.map((g) => lineText(flags, g, names)).join('');
}

function lineText(flags: Flags, { interface: name, users, group }: GroupLine, names: Names): string {
  const host = flags.numericHosts ? group : group === '::' ? '[::]' : (names.host(group) ?? group);
  return `${name.padEnd(15)} ${String(users).padEnd(6)} ${host}\n`;
}
