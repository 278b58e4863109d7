/** What the UDP tests share: one host, one raw peer and a watch on the ledger, new for each test; bindings are live. */
import { expect } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { ReceivedFrom } from '../../../stack/socket/socket.js';
import type { UdpSocket } from '../../../stack/udp/socket.js';
import { filler } from '../../support/frames.js';
import { LedgerWatch } from '../../support/ledger.js';
import type { RawPeer } from '../../support/raw-peer.js';
import { type Host, hostAndPeer, type Simulation } from '../../support/simulation.js';

export let sim: Simulation;
export let host: Host;
export let peer: RawPeer;
export let watch: LedgerWatch;
export const into = new Uint8Array(65536);
export const info = new ReceivedFrom();
export const PEER = IpAddress.from('10.99.0.2');

export function fresh(): void {
  ({ sim, host, peer } = hostAndPeer());
  watch = new LedgerWatch(host.ledger);
}
export const settle = () => sim.pass(10_000);
/** A socket, bound to the port when there is one. */
export function open(port?: number): UdpSocket {
  const s = host.stack.udpLayer.socket(4);
  if (port !== undefined) expect(s.bind(null, port)).toBe(0);
  return s;
}
export const read = (s: UdpSocket, flags = 0) => s.receiveFrom(into, 0, into.length, flags, info);
export const text = (n: number) => new TextDecoder().decode(into.subarray(0, n));
export const to = (address: string, port: number) => ({ address: IpAddress.from(address), port });
export const send = (s: UdpSocket, n: number, where: { address: IpAddress; port: number } | null) =>
  s.sendTo(filler(n), 0, n, 0, where);
export const value = (s: UdpSocket, level: number, name: number) => s.getOption(level, name);
