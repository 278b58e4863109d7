/**
 * The next hop on a link as the network layer sees it. The neighbour tables (ARP now, neighbour discovery later) implement it one layer up,
 * so that IP never imports them.
 */
import type { Owner } from '../../mib/ledger/ledger.js';
import type { IpAddress } from '../core/address.js';
import type { Packet } from '../core/packet.js';
import type { NetDevice } from './device.js';

export interface Hop {
  /**
   * Puts the Ethernet header before p.data and transmits, or keeps a copy until the address is known. 0 or -errno. The packet is the
   * caller's again on return; its data is at the network header still or at the Ethernet header.
   */
  output(p: Packet, owner: Owner): number;
  /** Forward progress was made through it (MSG_CONFIRM). */
  confirm(): void;
  /** What waits for the address of one protocol's packets, as Linux charges it. */
  waitingBytes(protocol: number): number;
  /** Does a packet of this owner wait for the address? */
  holds(owner: Owner): boolean;
  /** What waits of this owner's packets with data: the data, and `overhead` for each. */
  heldData(owner: Owner, overhead: number): number;
  /** What waits of this owner's packets, as Linux charges it. */
  heldBytes(owner: Owner): number;
  /** No longer in its table: ask for it again. */
  readonly dead: boolean;
}

export interface HopTable {
  hop(device: NetDevice, address: IpAddress): Hop | null;
  /** Heard of by a redirect: does the neighbour have a usable address? Starts asking when not. */
  usable(device: NetDevice, address: IpAddress): boolean;
}
