/** A host with one listener, a raw peer, and the movement of its Tcp and TcpExt counters: the set-up of the parity oracle's TCP scenarios. */
import { expect } from 'vitest';
import { Errno } from '../../stack/core/errno.js';
import type { TcpSocket } from '../../stack/tcp/socket.js';
import { type Delta, expectSums, LedgerWatch } from './ledger.js';
import { type HostOptions, hostAndPeer } from './simulation.js';
import { TcpPeer } from './tcp-peer.js';

export const PORT = 6000;

export interface ListeningOptions extends HostOptions {
  readonly seed?: number;
  readonly backlog?: number;
  /** Called before bind. */
  readonly prepare?: (s: TcpSocket) => void;
}

export function listening(options: ListeningOptions = {}) {
  const { sim, host, peer } = hostAndPeer(options);
  const listener = host.stack.tcp(4) as TcpSocket;
  options.prepare?.(listener);
  expect(listener.bind(null, PORT)).toBe(0);
  expect(listener.listen(options.backlog ?? 16)).toBe(0);
  const watch = new LedgerWatch(host.ledger);
  /** Since the last call; the rows' sums are held against the global counters each time. */
  const tcpMoves = (): Delta => {
    expectSums(host.ledger);
    return Object.fromEntries(Object.entries(watch.delta()).filter(([name]) => name.startsWith('Tcp')));
  };
  const client = (sport = 40000, port = PORT, isn?: number) => new TcpPeer(sim, peer, port, sport, isn);
  const accept = (): TcpSocket => {
    const s = listener.accept();
    if (typeof s === 'number') throw new Error(`accept: ${s === -Errno.EAGAIN ? 'nobody waits' : s}`);
    return s;
  };
  /** An established connection: the peer's end and the accepted socket. */
  const pair = (sport = 40000, timestamps = false): { c: TcpPeer; s: TcpSocket } => {
    const c = client(sport);
    if (timestamps) c.tsVal = 1000;
    c.handshake();
    const s = accept();
    tcpMoves();
    return { c, s };
  };
  return { sim, host, peer, listener, tcpMoves, client, accept, pair };
}
