/** A host of IPv4 with echo and discard and a raw peer, set up as the kernel was when it was measured; what both share of a scenario. */
import { expect } from 'vitest';
import { DatagramService } from '../../../stack/services/datagram-service.js';
import { bytes, filler, ipv4, Proto, udp } from '../../support/frames.js';
import { type Delta, LedgerWatch } from '../../support/ledger.js';
import type { RawPeer } from '../../support/raw-peer.js';
import { type Host, hostAndPeer, type Simulation } from '../../support/simulation.js';

export let sim: Simulation;
export let host: Host;
export let peer: RawPeer;

export const PEER = '10.99.0.2';
export const TARGET = '10.99.0.1';
export const FAR = '192.0.2.1';
export const zero = (n: number) => new Uint8Array(n);
export const four = zero(4);

export function scenario(act: () => void, sysctl: Record<string, number | string> = {}, passUs = 200_000): Delta {
  ({ sim, host, peer } = hostAndPeer({ sysctl }));
  for (const port of [7, 9]) {
    const s = host.stack.udp(4);
    expect(DatagramService.bind(s, port)).toBe(0);
    new DatagramService(s, port === 7 ? (service) => service.echo() : () => {});
  }
  const watch = new LedgerWatch(host.ledger);
  act();
  sim.pass(passUs);
  return watch.delta();
}
export type Fields = NonNullable<Parameters<RawPeer['ping']>[1]>;
/** The oracle's echo request: 56 octets of payload; then time for an answer. */
export function ping(fields: Fields = {}, dmac?: string): void {
  peer.ping(1, fields, dmac);
  sim.pass(1000);
}
export const datagram = (dport: number, fields: { src?: string; dst?: string } = {}, dmac?: string, options?: Uint8Array) => {
  const f = { src: PEER, dst: TARGET, sport: 5001, ...fields };
  peer.sendIp(udp({ ...f, dport }, bytes('x')), { src: f.src, dst: f.dst, protocol: Proto.udp, options }, dmac);
};
export const piece = (
  data: Uint8Array,
  offset: number,
  mf: boolean,
  fields: Partial<Fields> & { protocol?: number } = {},
  dmac?: string,
) => peer.sendIp(data, { protocol: Proto.udp, id: 4711, offset, mf, ...fields }, dmac);
export const big = (dport: number, n = 2000, dst = TARGET, badSum = 0) =>
  udp({ src: PEER, dst, sport: 5001, dport, badSum }, filler(n));
export const quoted = (protocol: number, payload: Uint8Array, src = TARGET, dst = PEER) => ipv4({ src, dst, protocol }, payload);
export const route = (command: string) => expect(host.stack.routeCommand(command)).toBe(true);
/** Options of the IPv4 header of a frame that came. */
export const optionsOf = (raw: Uint8Array) => Buffer.from(raw.subarray(34, 14 + (raw[14]! & 15) * 4)).toString('hex');
