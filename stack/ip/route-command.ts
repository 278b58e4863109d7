/**
 * `ip route` in words, of either family: add, replace, change, del, with what means something to this stack. With or without the leading
 * `ip`.
 */
import { ANY4, ANY6, IpAddress } from '../core/address.js';
import { Errno } from '../core/errno.js';
import type { NetDevice } from './device.js';
import { type FibEntry, NO_METRICS, networkOf, type RouteMetrics, type RouteTable, RouteType } from './fib.js';

const TYPES: Readonly<Record<string, RouteType>> = {
  unicast: RouteType.unicast,
  local: RouteType.local,
  broadcast: RouteType.broadcast,
  blackhole: RouteType.blackhole,
  unreachable: RouteType.unreachable,
  prohibit: RouteType.prohibit,
};
/** Words whose argument has no meaning here. */
const IGNORED = new Set(['proto', 'scope', 'table', 'tos', 'dsfield', 'weight', 'hoplimit', 'quickack', 'congctl', 'pref']);

interface Wanted {
  type: RouteType;
  destination: IpAddress;
  prefix: number;
  gateway: IpAddress | null;
  device: NetDevice | null;
  source: IpAddress | null;
  metric: number;
  typed: boolean;
  onlink: boolean;
  metrics: { -readonly [K in keyof RouteMetrics]: RouteMetrics[K] };
}

export interface RouteCommandHost {
  readonly table: RouteTable;
  readonly devices: readonly (NetDevice | undefined)[];
  readonly loopback: NetDevice | null;
}

/** 0, or -errno: EINVAL for what cannot be read, ENODEV, ENETUNREACH for a gateway that is not on a link, EEXIST, ESRCH. */
export function routeCommand(host: RouteCommandHost, command: readonly string[], family: 4 | 6 = 4): number {
  const words = command.filter((w) => w !== '');
  if (words[0] === 'ip') words.shift();
  if (words[0] === '-4' || words[0] === '-6') words.shift();
  if (!'route'.startsWith(words.shift() ?? '-')) return -Errno.EINVAL;
  const verb = words.shift();
  const wanted = parse(host, words, family);
  if (typeof wanted === 'number') return wanted;
  if (verb === 'del' || verb === 'delete') return remove(host, wanted);
  if (verb !== 'add' && verb !== 'append' && verb !== 'replace' && verb !== 'change') return -Errno.EINVAL;
  const entry = complete(host, wanted);
  if (typeof entry === 'number') return entry;
  if (verb === 'change' && !host.table.entries.some((e) => same(e, wanted))) return -Errno.ENOENT;
  return host.table.add(entry, verb === 'replace' || verb === 'change');
}

function parse(host: RouteCommandHost, words: string[], family: 4 | 6): Wanted | number {
  const w: Wanted = {
    type: RouteType.unicast,
    destination: family === 4 ? ANY4 : ANY6,
    prefix: 0,
    gateway: null,
    device: null,
    source: null,
    metric: 0,
    typed: false,
    onlink: false,
    metrics: { ...NO_METRICS },
  };
  const type = words[0] !== undefined ? TYPES[words[0]] : undefined;
  if (type !== undefined) {
    w.type = type;
    w.typed = true;
    words.shift();
  }
  if (words[0] === 'to') words.shift();
  const target = words.shift();
  if (target === undefined || !readTarget(w, target)) return -Errno.EINVAL;
  while (words.length > 0) {
    const error = option(host, w, words.shift()!, words);
    if (error !== 0) return error;
  }
  return w;
}

function readTarget(w: Wanted, text: string): boolean {
  if (text === 'default') return true;
  const [address, length] = text.split('/');
  const parsed = IpAddress.parse(address!);
  if (parsed?.family !== w.destination.family) return false;
  const bits = parsed.family === 4 ? 32 : 128;
  const prefix = length === undefined ? bits : Number(length);
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > bits) return false;
  w.destination = networkOf(parsed, prefix);
  w.prefix = prefix;
  return w.destination.equals(parsed);
}

function option(host: RouteCommandHost, w: Wanted, word: string, rest: string[]): number {
  if (word === 'onlink') {
    w.onlink = true;
    return 0;
  }
  let value = rest.shift();
  if (value === undefined) return -Errno.EINVAL;
  if (IGNORED.has(word)) return 0;
  if (word === 'via' && (value === 'inet' || value === 'inet6')) value = rest.shift() ?? '';
  if (word === 'via' || word === 'src') {
    const a = IpAddress.parse(value);
    if (a?.family !== w.destination.family) return -Errno.EINVAL;
    if (word === 'via') w.gateway = a;
    else w.source = a;
    return 0;
  }
  if (word === 'dev') {
    w.device = host.devices.find((d) => d?.name === value) ?? null;
    return w.device ? 0 : -Errno.ENODEV;
  }
  const locked = value === 'lock';
  if (locked) value = rest.shift() ?? '';
  const n = Number(word === 'rto_min' ? value.replace(/ms$/, '') : value);
  if (!Number.isInteger(n) || n < 0) return -Errno.EINVAL;
  if (word === 'metric' || word === 'preference' || word === 'priority') w.metric = n;
  else if (word === 'mtu') {
    w.metrics.mtu = n;
    w.metrics.mtuLocked = locked;
  } else if (word === 'advmss' || word === 'initcwnd' || word === 'initrwnd' || word === 'window') w.metrics[word] = n;
  else if (word === 'rto_min') w.metrics.rto_min = n;
  else return -Errno.EINVAL;
  return 0;
}

function complete(host: RouteCommandHost, w: Wanted): FibEntry | number {
  let device = w.device;
  if (w.type === RouteType.unicast && w.gateway && !w.onlink) {
    const g = w.gateway;
    const via = host.table.lookup(g.w0, g.w1, g.w2, g.w3);
    if (!via || via.type !== RouteType.unicast || via.gateway) return -Errno.ENETUNREACH;
    device ??= via.device;
  }
  if (w.type === RouteType.local) device ??= host.loopback;
  const leads = w.type === RouteType.unicast || w.type === RouteType.local || w.type === RouteType.broadcast;
  if (leads && !device) return -Errno.ENODEV;
  return {
    type: w.type,
    destination: w.destination,
    prefix: w.prefix,
    gateway: leads ? w.gateway : null,
    device: leads ? device : null,
    source: w.source,
    metric: w.metric,
    protocol: 'boot',
    metrics: w.metrics,
  };
}

function same(e: FibEntry, w: Wanted): boolean {
  if (e.prefix !== w.prefix || !e.destination.equals(w.destination)) return false;
  return (w.type !== RouteType.unicast || !w.typed ? true : e.type === w.type) && (w.metric === 0 || e.metric === w.metric);
}

function remove(host: RouteCommandHost, w: Wanted): number {
  return host.table.remove((e) => {
    if (!same(e, w)) return false;
    const own = e.type === RouteType.local || e.type === RouteType.broadcast;
    if (w.typed ? e.type !== w.type : own) return false;
    if (w.gateway && !e.gateway?.equals(w.gateway)) return false;
    return !w.device || e.device === w.device;
  });
}
