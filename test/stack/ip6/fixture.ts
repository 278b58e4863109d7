/** A host of IPv6 and a raw peer, set up as the parity oracle sets up its kernel: nothing is said that nobody asked for. */
import { type Delta, LedgerWatch } from '../../support/ledger.js';
import { Peer6 } from '../../support/peer6.js';
import type { RawPeer } from '../../support/raw-peer.js';
import { type Host, type HostOptions, Simulation } from '../../support/simulation.js';

export const QUIET: Readonly<Record<string, number>> = {
  'net.ipv6.conf.all.accept_dad': 0,
  'net.ipv6.conf.all.accept_ra': 0,
  'net.ipv6.conf.all.router_solicitations': 0,
  'net.ipv6.conf.all.addr_gen_mode': 1,
  'net.ipv6.conf.all.mldv1_unsolicited_report_interval': 1,
  'net.ipv6.conf.all.mldv2_unsolicited_report_interval': 1,
};

export interface Bed {
  readonly sim: Simulation;
  readonly host: Host;
  readonly peer: RawPeer;
  readonly six: Peer6;
}

/** The host has fd99::1 and a default gateway; both know each other's MAC address when `warm`. */
export function bed(options: HostOptions & { readonly warm?: boolean; readonly mtu?: number } = {}): Bed {
  const sim = new Simulation(11);
  const wire = sim.wire({ mtu: options.mtu ?? 1500 });
  const host = sim.host(wire.a, { addresses: ['10.99.0.1/24', 'fd99::1/64'], gateway6: 'fd99::2', ipv6: true, ...options });
  const peer = sim.peer(wire.b);
  const six = new Peer6(peer);
  if (options.warm ?? true) {
    sim.pass(100_000);
    six.solicit();
    sim.pass(1000);
    six.take();
  }
  return { sim, host, peer, six };
}

/** How the whole ledger moves while `act` and the time after it pass; the peer answers solicitations meanwhile. */
export function deltaOf(b: Bed, act: () => void, passUs = 50_000): Delta {
  const watch = new LedgerWatch(b.host.ledger);
  act();
  b.sim.pass(passUs);
  return watch.delta();
}
