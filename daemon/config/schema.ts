/**
 * The configuration of tsnetstatd: one schema. Defaults, validation, flags, environment names, --help and the table in the README are all
 * derived from it (load.ts, help.ts), so a key is declared here and nowhere else.
 */
import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { isAbsolute } from 'node:path';
import { type Static, type TSchema, Type } from 'typebox';

/** What a leaf says about itself beyond JSON Schema. */
interface LeafOptions {
  description: string;
  /** The word that stands for the value in --help. */
  'x-arg'?: string;
  /** What a value must be, as the end of the sentence "VALUE: must be …". */
  'x-must'?: string;
  /** Flag without dashes, when it is not the path in kebab-case. A boolean takes `--flag` and `--no-flag`. */
  'x-flag'?: string;
  /** Environment variable, when it is not TSNETSTAT_PATH. */
  'x-env'?: string;
  /** Its value is never printed. */
  'x-secret'?: true;
}

/** An IPv4 prefix in text, 10.77.0.2/24, taken apart. Undefined when it is none. */
export function parseCidr(text: string): { address: string; prefix: number } | undefined {
  const [address, bits, ...rest] = text.split('/');
  if (!address || !bits || rest.length > 0 || !isIPv4(address) || !/^\d{1,2}$/.test(bits)) return undefined;
  const prefix = Number(bits);
  return prefix >= 1 && prefix <= 30 ? { address, prefix } : undefined;
}

/** The same for IPv6: fd77::2/64. */
export function parseCidr6(text: string): { address: string; prefix: number } | undefined {
  const [address, bits, ...rest] = text.split('/');
  if (!address || !bits || rest.length > 0 || !isIPv6(address) || address.includes('%') || !/^\d{1,3}$/.test(bits))
    return undefined;
  const prefix = Number(bits);
  return prefix >= 1 && prefix <= 128 ? { address, prefix } : undefined;
}

/** Is the address inside the network that a prefix in text names? */
export function inNetwork(cidrText: string, address: string): boolean {
  const family = cidrText.includes(':') ? 'ipv6' : 'ipv4';
  const cidr = family === 'ipv6' ? parseCidr6(cidrText) : parseCidr(cidrText);
  if (!cidr) return false;
  const list = new BlockList();
  list.addSubnet(cidr.address, cidr.prefix, family);
  return list.check(address, family);
}

/** Do two IPv6 addresses in text mean the same one? */
export function sameAddress6(a: string, b: string): boolean {
  return inNetwork(`${a}/128`, b);
}

/** The stack's own addresses, without their prefix lengths. */
export function ownAddresses(config: { readonly address: string; readonly address6: string }): string[] {
  return [parseCidr(config.address), parseCidr6(config.address6)].flatMap((c) => (c ? [c.address] : []));
}

/** An address and a port as they are written together. */
export function hostPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** `ADDRESS:PORT` of a listening socket, IPv6 in brackets; undefined when it is none. */
export function parseListen(text: string): { host: string; port: number } | undefined {
  const m = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  if (!m || Number(m[3]) > 65535) return undefined;
  const host = m[1] ?? m[2]!;
  if (m[1] !== undefined ? !isIPv6(host) : !isIPv4(host) && host !== 'localhost') return undefined;
  return { host, port: Number(m[3]) };
}

const text = (value: string, options: LeafOptions, check?: (v: string) => boolean) => {
  const type = Type.String({ default: value, ...options });
  return check ? Type.Refine(type, check, () => `must be ${options['x-must']}`) : type;
};
const flag = (value: boolean, options: LeafOptions) => Type.Boolean({ default: value, 'x-must': 'true or false', ...options });
const int = (value: number, min: number, max: number, options: LeafOptions) =>
  Type.Integer({
    default: value,
    minimum: min,
    maximum: max,
    'x-arg': 'N',
    'x-must': `a whole number from ${min} to ${max}`,
    ...options,
  });
const oneOf = <const T extends readonly string[]>(value: T[number], words: T, options: LeafOptions) =>
  Type.Unsafe<T[number]>({
    type: 'string',
    enum: words,
    default: value,
    'x-arg': words.join('|'),
    'x-must': words.join(' or '),
    ...options,
  });
const displayString = (description: string) =>
  text(
    '',
    { description, 'x-arg': 'TEXT', 'x-must': 'text of at most 255 octets' },
    (v) => Buffer.byteLength(v) <= 255 && !v.includes('\0'),
  );
const section = <P extends Record<string, TSchema>>(properties: P) => Type.Object(properties, { additionalProperties: false });

const cidr = 'an IPv4 address with its prefix length, like 10.77.0.2/24';
const cidr6 = 'an IPv6 address with its prefix length, like fd77::2/64';
const isCidr6 = (v: string) => parseCidr6(v) !== undefined;
const listen = 'ADDRESS:PORT, like 127.0.0.1:9700, or off';
const isListen = (v: string) => v === 'off' || parseListen(v) !== undefined;
const isInterfaceName = (v: string) => /^[^\s/:]{1,15}$/.test(v) && v !== '.' && v !== '..';

export const SERVICES = ['echo', 'discard', 'daytime', 'chargen'] as const;

export const ConfigSchema = section({
  tap: section({
    name: text(
      'tsn0',
      {
        description: 'name of the TAP interface to make',
        'x-arg': 'NAME',
        'x-must': 'an interface name of 1 to 15 characters',
      },
      isInterfaceName,
    ),
    attach: text(
      '',
      {
        description: 'attach to this TAP, which exists already, instead of making one',
        'x-flag': 'tap',
        'x-arg': 'NAME',
        'x-must': 'an interface name of 1 to 15 characters',
      },
      (v) => v === '' || isInterfaceName(v),
    ),
    hostSetup: flag(true, {
      description: "give the kernel's side of the TAP its address and bring it up",
      'x-flag': 'host-setup',
    }),
  }),
  embedded: oneOf('auto', ['yes', 'no', 'auto'], {
    description: 'run on an in-memory wire with a second host making traffic; auto: when no TAP may be made',
  }),
  address: text('10.77.0.2/24', { description: "the stack's address", 'x-arg': 'CIDR', 'x-must': cidr }, (v) => !!parseCidr(v)),
  hostAddress: text(
    '10.77.0.1/24',
    { description: "the kernel's address on the TAP", 'x-arg': 'CIDR', 'x-must': cidr },
    (v) => !!parseCidr(v),
  ),
  address6: text(
    'fd77::2/64',
    {
      description: "the stack's IPv6 address; off: no IPv6",
      'x-arg': 'CIDR',
      'x-must': `${cidr6}, or off`,
    },
    (v) => v === 'off' || isCidr6(v),
  ),
  hostAddress6: text(
    'fd77::1/64',
    { description: "the kernel's IPv6 address on the TAP, unless address6 is off", 'x-arg': 'CIDR', 'x-must': cidr6 },
    isCidr6,
  ),
  gateway: text(
    '',
    {
      description: 'default gateway of the stack; empty: the host address',
      'x-arg': 'IP',
      'x-must': 'an IPv4 address',
    },
    (v) => v === '' || isIPv4(v),
  ),
  gateway6: text(
    '',
    {
      description:
        'default gateway of the stack for IPv6; empty: the host address, with --no-host-setup whom router advertisements name',
      'x-arg': 'IP',
      'x-must': 'an IPv6 address without a zone',
    },
    (v) => v === '' || (isIPv6(v) && !v.includes('%')),
  ),
  mac: text(
    '02:00:0a:4d:00:02',
    { description: "the stack's MAC address", 'x-arg': 'MAC', 'x-must': 'a unicast MAC address, like 02:00:0a:4d:00:02' },
    (v) => /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i.test(v) && !/^00(:00){5}$/.test(v),
  ),
  offloads: flag(true, { description: 'use virtio_net_hdr offloads (checksum, TSO, USO) where the kernel grants them' }),
  coalesce: flag(true, {
    description:
      'join received TCP segments and cut sent ones late (GRO, GSO); off, IP and TCP count every frame of the TAP by itself',
  }),
  queues: int(1, 1, 16, {
    description: 'queues of the TAP, each with a stack on a thread of its own; the embedded wire has one',
  }),
  maxRows: int(1048576, 64, 4194304, {
    description:
      'most connections, listeners and endpoints that have counters of their own, of each queue; 2 kB of address space each',
  }),
  services: Type.Array(Type.Unsafe<(typeof SERVICES)[number]>({ type: 'string', enum: SERVICES }), {
    default: [...SERVICES],
    uniqueItems: true,
    description: 'small servers inside the stack, TCP and UDP',
    'x-arg': 'LIST',
    'x-must': `a list of ${SERVICES.join(', ')} (comma-separated; empty for none)`,
  }),
  sysctl: Type.Array(Type.String({ pattern: '^[a-z0-9_.]+=.+$' }), {
    default: [],
    description: "sysctls of the stack to set at the start, under Linux's names",
    'x-arg': 'LIST',
    'x-must': 'a list of NAME=VALUE, like net.ipv4.tcp_sack=0',
  }),
  snmp: section({
    listen: text(
      '127.0.0.1:1161',
      { description: 'where the SNMP agent listens on the host', 'x-arg': 'ADDR:PORT', 'x-must': listen },
      isListen,
    ),
    community: text(
      'public',
      { description: 'SNMP v2c read-only community', 'x-arg': 'WORD', 'x-must': '1 to 64 printable characters' },
      (v) => /^[\x21-\x7e]{1,64}$/.test(v),
    ),
    name: displayString('sysName of the agent; empty: the host name'),
    contact: displayString('sysContact of the agent: who looks after it'),
    location: displayString('sysLocation of the agent'),
    inStack: int(161, 0, 65535, { description: 'UDP port of the SNMP agent inside the stack; 0 for none' }),
  }),
  http: section({
    listen: text(
      '127.0.0.1:9700',
      { description: 'where the HTTP server listens on the host', 'x-arg': 'ADDR:PORT', 'x-must': listen },
      isListen,
    ),
    socket: text(
      '',
      {
        description: 'unix socket; empty: /run/tsnetstat/tsnetstat.sock as root, else $XDG_RUNTIME_DIR/tsnetstat.sock; or off',
        'x-env': 'TSNETSTAT_SOCKET',
        'x-arg': 'PATH',
        'x-must': 'an absolute path of at most 100 bytes, or off',
      },
      (v) => v === '' || v === 'off' || (isAbsolute(v) && Buffer.byteLength(v) <= 100),
    ),
    inStack: int(80, 0, 65535, { description: 'TCP port of the HTTP server inside the stack; 0 for none' }),
    token: text(
      '',
      {
        description: 'bearer token that the TCP door asks for; needed when http.listen is not a loopback address',
        'x-arg': 'TOKEN',
        'x-secret': true,
        'x-must': 'empty or 16 to 256 printable characters',
      },
      (v) => v === '' || /^[\x21-\x7e]{16,256}$/.test(v),
    ),
  }),
  view: section({
    cacheMs: int(20, 0, 10000, { description: 'milliseconds for which a snapshot serves further requests' }),
    timeoutMs: int(100, 1, 10000, { description: 'milliseconds to wait for the stack before live cells are taken' }),
  }),
  log: section({
    level: oneOf('info', ['error', 'warn', 'info', 'debug'], { description: 'least level that is written' }),
    json: flag(false, { description: 'write log lines as JSON' }),
  }),
  seed: int(0, 0, 0x7fffffff, { description: 'seed of the embedded traffic and of all chance; 0: from the system' }),
  pcap: text(
    '',
    { description: 'write every frame to this pcap file', 'x-arg': 'FILE', 'x-must': 'a path' },
    (v) => !v.includes('\0'),
  ),
});

export type Config = Static<typeof ConfigSchema>;

export interface Leaf {
  /** `http.listen`. */
  readonly path: string;
  readonly schema: TSchema;
  readonly type: 'boolean' | 'integer' | 'array' | 'string';
  readonly flag: string;
  readonly env: string;
  readonly arg: string;
  readonly must: string;
  readonly description: string;
  readonly fallback: unknown;
  readonly secret: boolean;
}

function kebab(path: string): string {
  return path.replaceAll('.', '-').replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
}

function leavesOf(schema: TSchema, prefix: string): Leaf[] {
  const properties = (schema as { properties?: Record<string, TSchema> }).properties;
  if (!properties) {
    const s = schema as unknown as LeafOptions & { type?: Leaf['type']; default: unknown };
    const flag = s['x-flag'] ?? kebab(prefix);
    return [
      {
        path: prefix,
        schema,
        type: s.type ?? 'string',
        flag,
        env: s['x-env'] ?? `TSNETSTAT_${kebab(prefix).replaceAll('-', '_').toUpperCase()}`,
        arg: s['x-arg'] ?? '',
        must: s['x-must'] ?? '',
        description: s.description,
        fallback: s.default,
        secret: s['x-secret'] ?? false,
      },
    ];
  }
  return Object.entries(properties).flatMap(([name, s]) => leavesOf(s, prefix ? `${prefix}.${name}` : name));
}

/** Every key, in the order of the schema. */
export const leaves: readonly Leaf[] = leavesOf(ConfigSchema, '');
