/** A host of IPv4, of one stack or of several, a raw peer, and what their scripts share (test/stack/siblings-*.test.ts). */
import { Services } from '../../stack/services/services.js';
import { type DatagramSocket, Msg, ReceivedFrom } from '../../stack/socket/socket.js';
import type { Stack } from '../../stack/stack.js';
import { Cluster, type Steering } from './cluster.js';
import { ipv4, type ParsedFrame } from './frames.js';
import type { RawPeer } from './raw-peer.js';
import { type Outcome, outcomeOf, sameOver } from './several.js';
import { Simulation } from './simulation.js';
import { TcpPeer } from './tcp-peer.js';

export const TARGET = '10.99.0.1';
export const PEER = '10.99.0.2';
export const into = new Uint8Array(65536);
const info = new ReceivedFrom();

export interface World {
  readonly sim: Simulation;
  readonly peer: RawPeer;
  readonly cluster: Cluster;
  /** The stack that opens the nth socket of a scenario. */
  nth(n: number): Stack;
  /** The stack where sockets bound to this port are opened. */
  home(port: number): Stack;
  client(sport: number, port?: number): TcpPeer;
}

/** Neighbours stay known, ICMP is not limited: both are each stack's own affair. */
export const SYSCTL = {
  icmp_ratemask: 0,
  ping_group_range: '0 2147483647',
  'net.ipv4.neigh.default.delay_first_probe_time': 100_000,
};

export function world(count: number, steer: Steering, more: Record<string, number | string> = {}, coalesce = false): World {
  const sim = new Simulation(1);
  const wire = sim.wire();
  const sysctl = { ...SYSCTL, ...more };
  const cluster = new Cluster(sim, wire.a, { count, steer, sysctl, gateway: PEER, maxRows: 256, coalesce });
  for (const s of cluster.stacks) new Services(s, { wallClock: () => new Date(0) });
  const peer = sim.peer(wire.b);
  peer.askArp();
  sim.pass(1000);
  peer.take();
  return {
    sim,
    peer,
    cluster,
    nth: (n) => cluster.stacks[n % count]!,
    home: (port) => cluster.stacks[port % count]!,
    client: (sport, port = 7) => new TcpPeer(sim, peer, port, sport),
  };
}

/** Everything of a frame but what no two stacks choose alike: IP identification, and so the checksums. */
const gist = ({ kind, src, dst, ttl, tos, offset, mf, type, code, sport, dport, seq, ack, flags, window, options, data }: ParsedFrame) => ({
  kind, src, dst, ttl, tos, offset, mf, type, code, sport, dport, seq, ack, flags, window,
  options: Buffer.from(options).toString('hex'),
  data: kind === 'icmp' && type !== 0 ? data.length : Buffer.from(data).toString('hex'),
}); // biome-ignore format: a table

export type Script = (w: World) => void;

export function play(
  script: Script,
  count: number,
  steer: Steering,
  sysctl?: Record<string, number | string>,
  coalesce?: boolean,
): Outcome {
  const w = world(count, steer, sysctl, coalesce);
  const sent: object[] = [];
  const take = w.peer.take.bind(w.peer);
  w.peer.take = () => {
    const frames = take();
    sent.push(...frames.map(gist));
    return frames;
  };
  return outcomeOf(w, sent, () => {
    script(w);
    w.sim.pass(100_000);
    w.peer.take();
  });
}

export const same = (script: Script, sysctl?: Record<string, number | string>, coalesce?: boolean): Outcome =>
  sameOver((count, steer) => play(script, count, steer, sysctl, coalesce));

export const read = (s: DatagramSocket) => s.receiveFrom(into, 0, into.length, Msg.DONTWAIT, info);
export const quote = (protocol: number, payload: Uint8Array) => ipv4({ src: TARGET, dst: PEER, protocol }, payload);
