/** The daemon as a source: its REST paths over its unix socket, as typed calls. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  ConnectionCountersDto,
  ConnectionDto,
  ConnectionsDto,
  CounterOwnersDto,
  CountersDto,
  GroupsOfInterfacesDto,
  InterfacesDto,
  NeighboursDto,
  ProblemDto,
  RoutesDto,
} from '../../mib/dto.js';
import { CommandError, type Io } from '../io.js';
import { type Answer, get, textOf } from './http.js';

const PAGE = 5000;

/** Where the daemon's socket may be, in the order of trying: a path that was given is the only one. */
export function socketPaths(io: Pick<Io, 'env' | 'uid'>, given: string | undefined): string[] {
  const named = given ?? io.env['TSNETSTAT_SOCKET'];
  if (named) return [named];
  const system = '/run/tsnetstat/tsnetstat.sock';
  if (io.uid === 0) return [system];
  const runtime = io.env['XDG_RUNTIME_DIR'];
  return [runtime ? join(runtime, 'tsnetstat.sock') : join(tmpdir(), `tsnetstat-${io.uid}`, 'tsnetstat.sock'), system];
}

export class DaemonSource {
  private readonly paths: readonly string[];

  constructor(paths: readonly string[]) {
    this.paths = paths;
  }

  counters(): Promise<CountersDto> {
    return this.json('/api/v1/counters');
  }
  counterOwners(): Promise<CounterOwnersDto> {
    return this.json('/api/v1/counters/owners');
  }
  /** @param connection `row.generation` or `local-remote` */
  connectionCounters(connection: string): Promise<ConnectionCountersDto> {
    return this.json(`/api/v1/connections/${encodeURIComponent(connection)}/counters`);
  }
  interfaces(): Promise<InterfacesDto> {
    return this.json('/api/v1/interfaces');
  }
  routes(): Promise<RoutesDto> {
    return this.json('/api/v1/routes');
  }
  neighbours(): Promise<NeighboursDto> {
    return this.json('/api/v1/neighbours');
  }
  groups(): Promise<GroupsOfInterfacesDto> {
    return this.json('/api/v1/groups');
  }

  /** Every row, page by page; the head is the last page's. */
  async connections(): Promise<ConnectionsDto> {
    const all: ConnectionDto[] = [];
    for (let cursor = ''; ; ) {
      const page = await this.json<ConnectionsDto>(`/api/v1/connections?limit=${PAGE}${cursor}`);
      for (const c of page.connections) all.push(c);
      if (page.next === null) return { ...page, connections: all };
      cursor = `&cursor=${encodeURIComponent(page.next)}`;
    }
  }

  /** The answer to any path, before its body is read. @throws CommandError without a daemon, or with the daemon's own words */
  async open(path: string, accept: string, signal?: AbortSignal): Promise<Answer> {
    const answer = await this.connect(path, accept, signal);
    if (answer.status === 200) return answer;
    throw new CommandError(problemText(answer.status, await textOf(answer)));
  }

  private async connect(path: string, accept: string, signal?: AbortSignal): Promise<Answer> {
    let why = '';
    for (const socket of this.paths) {
      try {
        return await get(socket, path, accept, signal);
      } catch (e) {
        const { code, message } = e as NodeJS.ErrnoException;
        why ||= `${socket} (${code ?? message})`;
      }
    }
    throw new CommandError(`no daemon answers at ${why}: start tsnetstatd, or name its --socket, or read the kernel with --proc`);
  }

  private async json<T>(path: string): Promise<T> {
    const text = await textOf(await this.open(path, 'application/json')).catch((e: Error) => {
      throw e instanceof CommandError ? e : new CommandError(`the daemon's answer is not complete: ${e.message}`);
    });
    try {
      return JSON.parse(text) as T;
    } catch {
      throw new CommandError(`the daemon's answer to ${path} is no JSON`);
    }
  }
}

/** problem+json in one line. */
function problemText(status: number, body: string): string {
  try {
    const problem = JSON.parse(body) as Partial<ProblemDto>;
    return problem.detail ?? problem.title ?? `the daemon answered ${status}`;
  } catch {
    return `the daemon answered ${status}`;
  }
}
