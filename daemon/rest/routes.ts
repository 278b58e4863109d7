/** Every path of the REST API: what it takes, what it gives, and who answers. app.ts serves this table, openapi.ts describes it. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { TSchema } from 'typebox';
import type { Api, CountersRequest } from './api.js';
import type { RestOptions } from './app.js';
import type { ConnectionQuery } from './connection-filter.js';
import { Problem } from './problem.js';
import * as schemas from './schemas.js';
import { MAX_TRACES, probePoints, streamTrace } from './trace.js';

export interface ApiRoute {
  readonly method: 'GET' | 'PUT';
  readonly path: string;
  readonly summary: string;
  readonly query?: TSchema;
  readonly params?: TSchema;
  readonly body?: TSchema;
  /** Of the JSON answer; absent when it is not JSON. */
  readonly answer?: TSchema;
  /** Other media types of the answer. */
  readonly media?: readonly string[];
  /** Kinds of problem beside bad parameters. */
  readonly problems?: readonly number[];
  handle(request: FastifyRequest, reply: FastifyReply): Promise<unknown>;
}

const q = <T>(request: FastifyRequest): T => request.query as T;
const param = (request: FastifyRequest, name: string): string => (request.params as Record<string, string>)[name]!;

export function apiRoutes(api: Api, options: RestOptions): ApiRoute[] {
  return [...tableRoutes(api), ...connectionRoutes(api), ...sysctlRoutes(api, options), ...liveRoutes(api, options)];
}

function tableRoutes(api: Api): ApiRoute[] {
  return [
    {
      method: 'GET',
      path: '/api/v1/counters',
      summary: 'Every counter, by group',
      query: schemas.CountersQuery,
      answer: schemas.Counters,
      media: ['text/plain'],
      async handle(request, reply) {
        const query = q<CountersRequest & { format?: string; file?: 'snmp' | 'netstat' | 'snmp6' }>(request);
        if (query.format !== 'proc') {
          if (query.file) throw new Problem('bad-parameter', 'file: only with format=proc');
          return api.counters(query);
        }
        if (query.group || query.nonzero) throw new Problem('bad-parameter', 'group and nonzero: only with format=json');
        reply.type('text/plain; charset=utf-8');
        return api.procText(query.file, (header) => snapshotHeaders(reply, header));
      },
    },
    {
      method: 'GET',
      path: '/api/v1/counters/owners',
      summary: 'To whom the counters belong: sums over rows, over closed rows, and what no row caused',
      query: schemas.CounterOwnersQuery,
      answer: schemas.CounterOwners,
      handle: (request) => api.counterOwners(q<CountersRequest>(request)),
    },
    {
      method: 'GET',
      path: '/api/v1/interfaces',
      summary: 'Network interfaces with their counters',
      answer: schemas.Interfaces,
      handle: () => api.interfaces(),
    },
    {
      method: 'GET',
      path: '/api/v1/routes',
      summary: 'The routing tables of both families',
      answer: schemas.Routes,
      handle: () => api.routes(),
    },
    {
      method: 'GET',
      path: '/api/v1/neighbours',
      summary: 'The neighbour tables: ARP, and neighbour discovery of IPv6',
      answer: schemas.Neighbours,
      handle: () => api.neighbours(),
    },
    {
      method: 'GET',
      path: '/api/v1/groups',
      summary: 'Multicast groups that interfaces are in',
      answer: schemas.Groups,
      handle: () => api.groups(),
    },
  ];
}

function connectionRoutes(api: Api): ApiRoute[] {
  return [
    {
      method: 'GET',
      path: '/api/v1/connections',
      summary: 'Connections, listeners, endpoints, TIME-WAIT and requests',
      query: schemas.ConnectionsQuery,
      answer: schemas.Connections,
      handle: (request) => api.connections(q<ConnectionQuery & { closed?: boolean; limit?: number; cursor?: string }>(request)),
    },
    {
      method: 'GET',
      path: '/api/v1/connections/:id',
      summary: 'One connection',
      params: schemas.IdParams,
      answer: schemas.OneConnection,
      problems: [404],
      handle: (request) => api.connection(param(request, 'id')),
    },
    {
      method: 'GET',
      path: '/api/v1/connections/:id/counters',
      summary: "One connection's own counters",
      params: schemas.IdParams,
      answer: schemas.ConnectionCounters,
      problems: [404],
      handle: (request) => api.connectionCounters(param(request, 'id')),
    },
  ];
}

function sysctlRoutes(api: Api, { sysctl, log }: RestOptions): ApiRoute[] {
  const shown = async (names: readonly string[]) => ({
    ...(await api.header()),
    sysctl: Object.fromEntries(names.map((n) => [n, sysctl.get(n) ?? ''])),
  });
  const known = (name: string): string => {
    const found = sysctl.names().find((n) => n === name);
    if (!found) throw new Problem('no-sysctl', `${name}: this stack has no such sysctl`);
    return found;
  };
  return [
    {
      method: 'GET',
      path: '/api/v1/sysctl',
      summary: "Sysctls under Linux's names",
      query: schemas.SysctlQuery,
      answer: schemas.Sysctls,
      handle: (request) => {
        const prefix = q<{ prefix?: string }>(request).prefix ?? '';
        return shown(sysctl.names().filter((n) => n.startsWith(prefix)));
      },
    },
    {
      method: 'GET',
      path: '/api/v1/sysctl/:name',
      summary: 'One sysctl',
      params: schemas.NameParams,
      answer: schemas.Sysctls,
      problems: [404],
      handle: async (request) => shown([known(param(request, 'name'))]),
    },
    {
      method: 'PUT',
      path: '/api/v1/sysctl/:name',
      summary: 'Set a sysctl; only over the unix socket',
      params: schemas.NameParams,
      body: schemas.SysctlChange,
      answer: schemas.Sysctls,
      problems: [403, 404, 422],
      async handle(request) {
        const name = known(param(request, 'name'));
        const { value } = request.body as { value: string | number };
        if (!sysctl.set(name, value)) throw new Problem('bad-value', `${name}: ${value} is not allowed`);
        log.info('sysctl set', { name, value: sysctl.get(name) ?? '' });
        return shown([name]);
      },
    },
  ];
}

function liveRoutes(api: Api, { pump, info, stopping }: RestOptions): ApiRoute[] {
  const health = async () => ({ ...(await api.header()), status: 'ok' as const, version: info.version, mode: info.mode });
  return [
    {
      method: 'GET',
      path: '/api/v1/trace',
      summary: 'Events of counters and other probes as they happen; `event: gap` tells what was lost',
      query: schemas.TraceQuery,
      media: ['text/event-stream'],
      problems: [503],
      async handle(request, reply) {
        const points = probePoints(q<{ probe: string[] }>(request).probe);
        const header = await api.header();
        if (stopping()) throw new Problem('stopping', 'the daemon is stopping');
        if (pump.clients >= MAX_TRACES) throw new Problem('too-many-traces', `${MAX_TRACES} traces are running`);
        reply.hijack();
        streamTrace(reply.raw, points, pump, header);
      },
    },
    {
      method: 'GET',
      path: '/healthz',
      summary: 'The daemon is alive',
      answer: schemas.Health,
      handle: health,
    },
    {
      method: 'GET',
      path: '/readyz',
      summary: 'The stack answers',
      answer: schemas.Health,
      problems: [503],
      async handle() {
        const answer = await health();
        if (stopping()) throw new Problem('stopping', 'the daemon is stopping');
        if (!answer.consistent) throw new Problem('stack-silent', 'the stack did not publish a snapshot in time');
        return answer;
      },
    },
  ];
}

/** Which snapshot a text answer was made from. */
export function snapshotHeaders(
  reply: FastifyReply,
  header: { snapshot: number; takenAt: string; startedAt: string; consistent: boolean },
): void {
  reply.header('x-tsnetstat-snapshot', String(header.snapshot));
  reply.header('x-tsnetstat-taken-at', header.takenAt);
  reply.header('x-tsnetstat-started-at', header.startedAt);
  reply.header('x-tsnetstat-consistent', String(header.consistent));
}
