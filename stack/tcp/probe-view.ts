/**
 * Fills the probe ring's context from a segment that TCP is about to send, for counters that move before there is a packet (RetransSegs,
 * OutSegs, ActiveOpens). Only called while probes are armed; IP output fills it again from the packet, and puts the inbound one back.
 */
import { Direction } from '../ip/probe-view.js';
import { Protocol } from '../wire/ipv4.js';
import { Flag } from '../wire/tcp.js';
import type { Connection } from './connection.js';

export function noteSegment(c: Connection, seq: number, flags: number, length: number): void {
  const x = c.env.ledger.ring.context;
  x.direction = Direction.sent;
  x.device = c.route ? c.route.device.index : 0;
  x.familyProtocol = c.family * 256 + Protocol.tcp;
  x.local0 = c.local.w0;
  x.local1 = c.local.w1;
  x.local2 = c.local.w2;
  x.local3 = c.local.w3;
  x.remote0 = c.remote.w0;
  x.remote1 = c.remote.w1;
  x.remote2 = c.remote.w2;
  x.remote3 = c.remote.w3;
  x.ports = c.localPort * 65536 + c.remotePort;
  x.length = length;
  x.flags = flags;
  x.seq = seq;
  x.ack = flags & Flag.ACK ? c.rcvNxt : 0;
  x.window = Math.min(c.rcvWnd >>> c.rcvWscale, 0xffff);
}
