/**
 * Probe points beyond the counters: the actions that DTrace's tcp, udp, ip and mac providers and SystemTap's tcp, udp, netdev and socket
 * tapsets know. Every counter is a probe point too; its number is its cell id, and event probes follow behind the cells.
 */
import { CELLS } from '../catalogue/index.js';

export interface EventProbe {
  readonly name: string;
  /** Names under which DTrace and SystemTap users know it. */
  readonly aliases: readonly string[];
  readonly meaning: string;
}

export const EVENT_PROBES = [
  { name: 'tcp:connect-request', aliases: ['tcp:::connect-request'], meaning: 'an active open sent its SYN' },
  { name: 'tcp:connect-established', aliases: ['tcp:::connect-established'], meaning: 'an active open is established' },
  { name: 'tcp:connect-refused', aliases: ['tcp:::connect-refused'], meaning: 'an active open was answered by RST' },
  { name: 'tcp:accept-established', aliases: ['tcp:::accept-established'], meaning: 'a passive open is established' },
  { name: 'tcp:accept-refused', aliases: ['tcp:::accept-refused'], meaning: 'a connection request was answered by RST' },
  { name: 'tcp:state-change', aliases: ['tcp:::state-change'], meaning: 'a connection changed state; arg0 old, arg1 new' },
  { name: 'tcp:send', aliases: ['tcp:::send', 'tcp.sendmsg'], meaning: 'a segment was given to IP' },
  { name: 'tcp:receive', aliases: ['tcp:::receive', 'tcp.receive'], meaning: 'a segment was received' },
  { name: 'tcp:disconnect', aliases: ['tcp.disconnect', 'fbt::tcp_disconnect'], meaning: 'a socket was disconnected' },
  { name: 'udp:send', aliases: ['udp:::send', 'udp.sendmsg'], meaning: 'a datagram was sent' },
  { name: 'udp:receive', aliases: ['udp:::receive', 'udp.recvmsg'], meaning: 'a datagram was received' },
  { name: 'ip:send', aliases: ['ip:::send', 'kernel.function("ip_output")'], meaning: 'an IP packet was given to the link' },
  { name: 'ip:receive', aliases: ['ip:::receive', 'kernel.function("ip_rcv")'], meaning: 'an IP packet was received' },
  { name: 'netdev:transmit', aliases: ['netdev.transmit', 'mac_tx:entry'], meaning: 'a frame was given to a device' },
  { name: 'netdev:rx', aliases: ['netdev.rx', 'mac_rx_common:entry'], meaning: 'a frame came from a device' },
  { name: 'socket:create', aliases: ['socket.create'], meaning: 'a socket was made; arg0 protocol' },
  { name: 'socket:close', aliases: ['socket.close'], meaning: 'a socket was closed' },
  { name: 'socket:send', aliases: ['socket.send'], meaning: 'a send call; arg0 bytes or -errno' },
  { name: 'socket:receive', aliases: ['socket.receive'], meaning: 'a receive call; arg0 bytes or -errno' },
] as const satisfies readonly EventProbe[];

type Names = (typeof EVENT_PROBES)[number]['name'];
type Camel<S extends string> = S extends `${infer A}:${infer B}` ? `${A}${Capitalize<Dash<B>>}` : S;
type Dash<S extends string> = S extends `${infer A}-${infer B}` ? `${A}${Capitalize<Dash<B>>}` : S;

/** Probe point numbers: `Probe.tcpStateChange`. */
export const Probe = Object.freeze(
  Object.fromEntries(EVENT_PROBES.map((p, i) => [p.name.replace(/[:-](.)/g, (_, c: string) => c.toUpperCase()), CELLS + i])),
) as { readonly [K in Names as Camel<K>]: number };

export const PROBE_POINTS = CELLS + EVENT_PROBES.length;
