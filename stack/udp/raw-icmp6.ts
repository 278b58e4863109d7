/**
 * Raw ICMPv6 sockets (SOCK_RAW, IPPROTO_ICMPV6; RFC 3542 3): what a program needs that speaks a part of ICMPv6 which the stack leaves to
 * programs, as Linux does: router advertisements (RFC 4861 6.2), listener queries (RFC 3810 7). The user writes the message from its type
 * on, the stack its checksum; what it sends is counted by its type. It hears every sound message that comes, besides the stack itself.
 *
 * All share the number 58 in place of a port, as /proc/net/raw6 shows it; they are not bound to an address.
 */
import type { Env } from '../core/env.js';
import { Errno } from '../core/errno.js';
import type { Packet } from '../core/packet.js';
import type { NetworkLayer } from '../ip/protocol.js';
import { NextHeader } from '../wire/ipv6.js';
import { truesize } from './datagram-queue.js';
import { PingLayer } from './ping.js';
import type { UdpSocket } from './socket.js';

/** Type, code and checksum. */
const LEAST = 4;

export class RawIcmp6Layer extends PingLayer {
  constructor(env: Env, network: NetworkLayer) {
    super(env, network);
  }

  override socket(): UdpSocket {
    const s = super.socket();
    s.reuseAddress = true;
    s.bind(null, NextHeader.icmpv6);
    return s;
  }

  override judge(_from: Uint8Array, _at: number, length: number): number {
    return length < LEAST ? -Errno.EINVAL : 0;
  }

  override finish(s: UdpSocket, p: Packet): void {
    this.seal(s, p, p.bytes[p.transport]!);
  }

  /** A message has come, its checksum is right: every socket gets it that is connected to its sender or to nobody. */
  hear(p: Packet): void {
    const there = this.table.at(NextHeader.icmpv6);
    if (!there) return;
    p.payload = p.transport;
    for (const s of there) {
      if (!s.connected || s.remoteIs(p.src0, p.src1, p.src2, p.src3)) s.deliver(p, 0, truesize(p.tail - p.network), false, 0);
    }
  }
}
