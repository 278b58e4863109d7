/** What a datagram socket needs of the layer it belongs to: UDP, UDP-Lite or ping. */
import type { IpAddress } from '../core/address.js';
import type { Env } from '../core/env.js';
import type { Packet } from '../core/packet.js';
import type { NetworkLayer } from '../ip/protocol.js';
import type { AddressCache } from './address-cache.js';
import type { UdpCells } from './cells.js';
import type { DatagramPool } from './datagram-queue.js';
import type { UdpSocket } from './socket.js';
import type { UdpTable } from './table.js';

export interface DatagramLayer {
  readonly protocol: number;
  readonly env: Env;
  readonly table: UdpTable;
  readonly pool: DatagramPool;
  readonly addresses: AddressCache;
  /** The one packet that datagrams are sent with. */
  readonly transmitPacket: Packet;
  /** Bytes that the layer puts before the user's: 8, or 0 for ping, whose users write the ICMP header themselves. */
  readonly headerLength: number;
  /** A socket holds so many bytes more. */
  charge(bytes: number): void;
  /** And less. */
  uncharge(bytes: number): void;
  networkOf(family: number): NetworkLayer | null;
  /** Counters for packets of a family; -1 for what the layer does not count. */
  cells(family: number): UdpCells;
  /** Destination.* of an address that a socket may bind to, or -errno. */
  addressKind(address: IpAddress): number;
  mayCharge(held: number, size: number): boolean;
  /** 0, or -errno when these bytes cannot be sent on such a socket. */
  judge(from: Uint8Array, at: number, length: number): number;
  /** Writes header and checksum around the user's bytes, which lie at p.payload already. `byLink`: the link completes the checksum. */
  finish(s: UdpSocket, p: Packet, port: number, byLink: boolean): void;
}
