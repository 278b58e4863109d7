/** A host of IPv6 that is one stack or several, and a raw peer: scripts are played on both and must come to the same (several.ts). */
import { Services } from '../../stack/services/services.js';
import type { Stack } from '../../stack/stack.js';
import { Cluster, type Steering } from './cluster.js';
import { type Frame6, Peer6 } from './peer6.js';
import { type Outcome, outcomeOf, sameOver } from './several.js';
import { Simulation } from './simulation.js';

export type Settings = Readonly<Record<string, number | string>>;

export interface World6 {
  readonly sim: Simulation;
  readonly six: Peer6;
  readonly cluster: Cluster;
  /** The stack where sockets bound to this port are opened. */
  home(port: number): Stack;
}
export type Script6 = (w: World6) => void;

/** Nothing is said that nobody asked for; neighbours stay known, ICMP is not limited: both are each stack's own affair. */
export const QUIET6: Settings = {
  'net.ipv6.conf.all.accept_dad': 0,
  'net.ipv6.conf.all.accept_ra': 0,
  'net.ipv6.conf.all.router_solicitations': 0,
  'net.ipv6.conf.all.addr_gen_mode': 1,
  'net.ipv6.conf.all.mldv2_unsolicited_report_interval': 1,
  'net.ipv6.neigh.default.delay_first_probe_time': 100_000,
  'net.ipv6.icmp.ratelimit': 0,
  icmp_msgs_per_sec: 1_000_000,
  icmp_msgs_burst: 1_000_000,
  ping_group_range: '0 2147483647',
};

export interface Making {
  readonly sysctl?: Settings;
  /** Without: the addresses are in use and the peer is known when the script begins. */
  readonly cold?: boolean;
  readonly addresses?: readonly string[];
  readonly coalesce?: boolean;
  /** What is done before anything is compared: a listener in every stack is one to a user, and several in the sums of sockets. */
  readonly before?: (w: World6) => void;
}

export function world6(count: number, steer: Steering, making: Making = {}): World6 {
  const sim = new Simulation(1);
  const wire = sim.wire();
  const sysctl = { ...(making.cold ? {} : QUIET6), ...making.sysctl };
  const addresses = making.addresses ?? ['10.99.0.1/24', 'fd99::1/64'];
  const gateways = making.cold ? {} : { gateway: '10.99.0.2', gateway6: 'fd99::2' };
  const { coalesce } = making;
  const cluster = new Cluster(sim, wire.a, { count, steer, sysctl, addresses, ...gateways, ipv6: true, maxRows: 256, coalesce });
  for (const s of cluster.stacks) new Services(s, { wallClock: () => new Date(0), families: [4, 6] });
  const six = new Peer6(sim.peer(wire.b));
  if (!making.cold) {
    sim.pass(100_000);
    six.solicit();
    sim.pass(1000);
    six.take();
  }
  const w = { sim, six, cluster, home: (port: number) => cluster.stacks[port % count]! };
  making.before?.(w);
  return w;
}

/** Everything of a frame but what is chosen by chance: the nonce of a probe, and which flow label it has when it has one. */
const gist = ({ type, data, flowLabel, ...rest }: Frame6) => ({
  ...rest,
  labelled: flowLabel !== 0,
  type,
  data: Buffer.from(type === 135 ? data.subarray(4, 24) : data).toString('hex'),
});

export function play6(script: Script6, count: number, steer: Steering, making: Making = {}): Outcome {
  const w = world6(count, steer, making);
  const sent: object[] = [];
  const take = w.six.take.bind(w.six);
  w.six.take = () => {
    const frames = take();
    sent.push(...frames.map(gist));
    return frames;
  };
  return outcomeOf(w, sent, () => {
    script(w);
    w.sim.pass(100_000);
    w.six.take();
  });
}

/** The script on one stack, and on two, three and four. */
export const same6 = (script: Script6, making?: Making): Outcome =>
  sameOver((count, steer) => play6(script, count, steer, making));
