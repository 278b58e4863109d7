/** What the REST API takes and gives, as TypeBox schemas: they validate requests, and openapi.json is made from them. */
import { type Static, type TSchema, Type } from 'typebox';
import type * as dto from '../../mib/dto.js';

const closed = { additionalProperties: false } as const;
const object = <P extends Record<string, TSchema>>(properties: P, description?: string) =>
  Type.Object(properties, description ? { ...closed, description } : closed);
const nullable = <T extends TSchema>(type: T) => Type.Union([type, Type.Null()]);
const time = (description: string) => Type.String({ format: 'date-time', description });
const family = Type.Union([Type.Literal(4), Type.Literal(6)]);
const addressState = Type.Union([
  Type.Literal('tentative'),
  Type.Literal('preferred'),
  Type.Literal('deprecated'),
  Type.Literal('dadfailed'),
]);

const header = {
  snapshot: Type.Integer({ description: 'number of the snapshot; rises by at least one with each' }),
  takenAt: time('when the snapshot was taken'),
  startedAt: time('when counting began: the discontinuity time of every counter'),
  consistent: Type.Boolean({ description: 'false when the stack did not answer in time and live cells were read' }),
};
const groups = Type.Record(Type.String(), Type.Record(Type.String(), Type.Number()), {
  description: "group, then the kernel's spelling, in print order",
});

export const Counters = object({ ...header, counters: groups });
export const CounterOwners = object(
  { ...header, counters: groups, rows: groups, closed: groups, unattributed: groups },
  'with the stack at rest rows + closed + unattributed = counters; a name that is missing is 0',
);

const endpoint = object({ address: Type.String(), port: Type.Integer({ minimum: 0, maximum: 65535 }) });
export const RowKinds = ['connection', 'listener', 'endpoint', 'time-wait', 'request'] as const;
export const Protocols = ['tcp', 'udp', 'udplite', 'icmp'] as const;
export const Connection = object({
  id: Type.String({ description: 'row.generation' }),
  kind: Type.Enum([...RowKinds]),
  protocol: Type.Enum([...Protocols]),
  family,
  name: Type.String({ description: '10.77.0.2:80-10.77.0.1:45678, local end first' }),
  local: endpoint,
  remote: endpoint,
  state: Type.String(),
  interface: Type.Integer(),
  inode: Type.Integer(),
  uid: Type.Integer(),
  recvQ: Type.Integer(),
  sendQ: Type.Integer(),
  timer: object({
    kind: Type.Enum(['off', 'on', 'keepalive', 'timewait', 'probe']),
    expiresInMs: Type.Number(),
    retransmits: Type.Integer(),
    probes: Type.Integer(),
  }),
  active: Type.Boolean(),
  listener: nullable(Type.String()),
  createdAt: nullable(time('')),
  establishedAt: nullable(time('')),
  closedAt: nullable(time('')),
  info: Type.Record(Type.String(), Type.Number(), { description: "tcp_info under Linux's names, µs where Linux has µs" }),
});
export const Connections = object({
  ...header,
  connections: Type.Array(Connection),
  next: nullable(Type.String({ description: 'give it back as cursor to get what follows' })),
});
export const OneConnection = object({ ...header, connection: Connection, closed: Type.Boolean() });
export const ConnectionCounters = object({
  ...header,
  connection: Connection,
  closed: Type.Boolean({ description: 'true when read from the history of closed rows' }),
  counters: groups,
});

export const Interfaces = object({
  ...header,
  interfaces: Type.Array(
    object({
      index: Type.Integer(),
      name: Type.String(),
      mac: Type.String(),
      mtu: Type.Integer(),
      up: Type.Boolean(),
      running: Type.Boolean(),
      loopback: Type.Boolean(),
      broadcast: Type.Boolean(),
      multicast: Type.Boolean(),
      promiscuous: Type.Boolean(),
      addresses: Type.Array(object({ address: Type.String(), prefix: Type.Integer(), state: addressState })),
      counters: Type.Record(Type.String(), Type.Number()),
    }),
  ),
});
export const Routes = object({
  ...header,
  routes: Type.Array(
    object({
      family,
      destination: Type.String(),
      prefix: Type.Integer(),
      gateway: nullable(Type.String()),
      interface: Type.String(),
      metric: Type.Integer(),
      flags: Type.String(),
    }),
  ),
});
export const Neighbours = object({
  ...header,
  neighbours: Type.Array(
    object({
      family,
      address: Type.String(),
      mac: nullable(Type.String()),
      interface: Type.String(),
      state: Type.String(),
      router: Type.Boolean(),
    }),
  ),
});
export const Groups = object({
  ...header,
  groups: Type.Array(object({ family, interface: Type.String(), group: Type.String(), users: Type.Integer() })),
});
export const Sysctls = object({ ...header, sysctl: Type.Record(Type.String(), Type.String()) });
export const SysctlChange = object({ value: Type.Union([Type.String({ maxLength: 256 }), Type.Number()]) });
export const Health = object({ ...header, status: Type.Literal('ok'), version: Type.String(), mode: Type.String() });
export const ProblemSchema = object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.Optional(Type.String()),
});

const words = (description: string) =>
  Type.Optional(
    Type.Array(Type.String({ maxLength: 128 }), { maxItems: 64, description: `${description}; repeat it or separate by commas` }),
  );
export const CountersQuery = object({
  group: words('only these groups (Tcp, TcpExt …)'),
  nonzero: Type.Optional(Type.Boolean({ description: 'leave out what is 0' })),
  format: Type.Optional(Type.Enum(['json', 'proc'], { description: 'proc: the text of /proc/net/{snmp,netstat,snmp6}' })),
  file: Type.Optional(Type.Enum(['snmp', 'netstat', 'snmp6'], { description: 'with format=proc: only this file' })),
});
export const CounterOwnersQuery = object({
  group: CountersQuery.properties.group,
  nonzero: CountersQuery.properties.nonzero,
});
export const ConnectionsQuery = object({
  state: words("netstat's words: ESTABLISHED, LISTEN …, any case"),
  kind: words('connection, listener, endpoint, time-wait, request'),
  protocol: words('tcp, udp, udplite, icmp'),
  local: Type.Optional(Type.String({ maxLength: 64, description: 'ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT or :PORT' })),
  remote: Type.Optional(Type.String({ maxLength: 64, description: 'the same of the other end' })),
  closed: Type.Optional(Type.Boolean({ description: 'the history of closed rows instead, the last first' })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10000, description: 'at most so many; 1000 unless told' })),
  cursor: Type.Optional(Type.String({ maxLength: 32, description: '`next` of the answer before' })),
});
export const TraceQuery = object({
  probe: Type.Array(Type.String({ maxLength: 128 }), {
    minItems: 1,
    maxItems: 64,
    description: 'a counter or event probe in any spelling (Tcp.RetransSegs, tcpmib.RetransSegs, mib:::tcpRetransSegs)',
  }),
});
export const SysctlQuery = object({
  prefix: Type.Optional(Type.String({ maxLength: 128, description: 'only names that begin so' })),
});
export const IdParams = object({ id: Type.String({ description: 'row.generation, or the 4-tuple LOCAL-REMOTE' }) });
export const NameParams = object({ name: Type.String({ description: 'net.ipv4.tcp_sack' }) });

/** Compile-time check that the schemas say what mib/dto.ts says, both ways. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;
export const schemasAreDtos: readonly [
  Same<Static<typeof Counters>, dto.CountersDto>,
  Same<Static<typeof CounterOwners>, dto.CounterOwnersDto>,
  Same<Static<typeof Connections>, dto.ConnectionsDto>,
  Same<Static<typeof ConnectionCounters>, dto.ConnectionCountersDto>,
  Same<Static<typeof Interfaces>, dto.InterfacesDto>,
  Same<Static<typeof Routes>, dto.RoutesDto>,
  Same<Static<typeof Neighbours>, dto.NeighboursDto>,
  Same<Static<typeof Groups>, dto.GroupsOfInterfacesDto>,
  Same<Static<typeof ProblemSchema>, dto.ProblemDto>,
] = [true, true, true, true, true, true, true, true, true];
