/** The command: which table or stream the arguments ask for, from which source. Modules are loaded when they are needed: start-up counts. */
import type { ConnectionDto } from '../mib/dto.js';
import { type Flags, parseFlags, UsageError } from './flags.js';
import { CommandError, type Io, jsonText, pause } from './io.js';
import type { Names } from './names.js';
import type { DaemonSource } from './sources/daemon.js';
import type { ProcSource } from './sources/proc.js';

const EVERY_MS = 1000;

/** @returns the exit status. What goes wrong is one line on stderr. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  try {
    if (args[0] === 'trace') return await (await import('./trace.js')).trace(args.slice(1), io);
    if (args[0] === 'neigh') return await (await import('./tables/neighbours.js')).neighbours(args.slice(1), io);
    if (args[0] === 'help') return await run(['--help'], io);
    const flags = parseFlags(args);
    if (flags.help) io.out((await import('./usage.js')).USAGE);
    else if (flags.version) io.out(`tsnetstat ${io.version}\n`);
    else return await show(flags, io);
    return 0;
  } catch (e) {
    if (!(e instanceof UsageError || e instanceof CommandError)) throw e;
    io.err(`tsnetstat: ${e.message}\n`);
    return e.status;
  }
}

async function show(flags: Flags, io: Io): Promise<number> {
  const source = await sourceOf(flags, io);
  if (flags.statistics > 0) return (await import('./statistics.js')).statistics(flags, source, io);
  const table = flags.interfaces ? interfaces : flags.routes ? routes : flags.groups ? groups : sockets;
  for (;;) {
    const status = await table(flags, source, io);
    if (!flags.continuous || status !== 0) return status;
    await pause(EVERY_MS, io.signal);
    if (io.signal.aborted) return 0;
  }
}

type Source = DaemonSource | ProcSource;

async function sourceOf(flags: Flags, io: Io): Promise<Source> {
  if (flags.proc !== undefined) return new (await import('./sources/proc.js')).ProcSource(flags.proc);
  const { DaemonSource, socketPaths } = await import('./sources/daemon.js');
  return new DaemonSource(socketPaths(io, flags.socket));
}

async function etcNames(): Promise<Names> {
  return new (await import('./names.js')).EtcNames();
}

function isProc(source: Source): source is ProcSource {
  return 'read' in source;
}

/** A table of /proc: what was read so far goes out even when the end is an error. */
function put(io: Io, t: { stdout: string; stderr: string; status: number }): number {
  io.out(t.stdout, 'latin1');
  if (t.stderr !== '') io.err(t.stderr);
  return t.status;
}

async function interfaces(flags: Flags, source: Source, io: Io): Promise<number> {
  const { interfacesOfDaemon, interfacesOfProc } = await import('./tables/interfaces.js');
  if (isProc(source)) {
    if (flags.json) throw new UsageError('-i --json needs the daemon');
    return put(
      io,
      interfacesOfProc(source, flags.all, (name) => source.interfaceInfo(name)),
    );
  }
  const answer = await source.interfaces();
  io.out(flags.json ? `${jsonText(answer)}\n` : interfacesOfDaemon(answer.interfaces, flags.all));
  return 0;
}

async function routes(flags: Flags, source: Source, io: Io): Promise<number> {
  const { routesOfDaemon, routesOfProc } = await import('./tables/routes.js');
  if (isProc(source)) {
    if (flags.json) throw new UsageError('-r --json needs the daemon');
    return put(io, routesOfProc(flags, source, await etcNames()));
  }
  const answer = await source.routes();
  io.out(flags.json ? `${jsonText(answer)}\n` : routesOfDaemon(flags, answer.routes, await etcNames()));
  return 0;
}

/** With a protocol or a family the sockets come first, as in netstat. */
async function groups(flags: Flags, source: Source, io: Io): Promise<number> {
  if (flags.json && isProc(source)) throw new UsageError('-g --json needs the daemon');
  const socketsToo = flags.tcp || flags.udp || flags.udplite || flags.sctp || flags.raw || flags.inet || flags.inet6;
  if (socketsToo && !flags.json) {
    const status = await sockets(flags, source, io);
    if (status !== 0) return status;
  }
  const { groupsOfDaemon, groupsOfProc } = await import('./tables/groups.js');
  if (isProc(source)) return put(io, groupsOfProc(flags, source, await etcNames()));
  const answer = await source.groups();
  io.out(flags.json ? `${jsonText(answer)}\n` : groupsOfDaemon(flags, answer.groups, await etcNames()));
  return 0;
}

async function sockets(flags: Flags, source: Source, io: Io): Promise<number> {
  const { isShown, socketsOfDaemon, socketsOfProc, socketTable } = await import('./tables/sockets.js');
  if (isProc(source)) {
    const { rows, stderr, status } = socketsOfProc(flags, source);
    if (!flags.json) return put(io, { stdout: socketTable(flags, rows, await etcNames()), stderr, status });
    const lines = rows.filter((r) => isShown(flags, r)).map((r) => ({ protocol: r.protocol, ...r.line }));
    return put(io, { stdout: `${jsonText({ sockets: lines })}\n`, stderr, status });
  }
  const answer = await source.connections();
  if (flags.json) {
    const shown = (c: ConnectionDto) => socketsOfDaemon(flags, [c]).some((r) => isShown(flags, r));
    io.out(`${jsonText({ ...answer, connections: answer.connections.filter(shown) })}\n`);
  } else io.out(socketTable(flags, socketsOfDaemon(flags, answer.connections), await etcNames()));
  return 0;
}
