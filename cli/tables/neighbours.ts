/** `tsnetstat neigh`: the neighbour tables of both families (ARP, and neighbour discovery), a line each in the words of `ip neigh`. */
import type { NeighbourDto } from '../../mib/dto.js';
import { parseFlags, UsageError } from '../flags.js';
import { type Io, jsonText } from '../io.js';
import { DaemonSource, socketPaths } from '../sources/daemon.js';

export async function neighbours(args: readonly string[], io: Io): Promise<number> {
  const flags = parseFlags(args);
  if (flags.proc !== undefined) throw new UsageError('neigh needs the daemon: /proc has no states, and nothing of IPv6');
  const shown = (n: NeighbourDto) => flags.inet === flags.inet6 || (n.family === 4 ? flags.inet : flags.inet6);
  const answer = await new DaemonSource(socketPaths(io, flags.socket)).neighbours();
  const rows = answer.neighbours.filter(shown);
  io.out(flags.json ? `${jsonText({ ...answer, neighbours: rows })}\n` : rows.map(lineText).join(''));
  return 0;
}

function lineText(n: NeighbourDto): string {
  return `${n.address} dev ${n.interface}${n.mac === null ? '' : ` lladdr ${n.mac}`}${n.router ? ' router' : ''} ${n.state}\n`;
}
