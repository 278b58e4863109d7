/** May a socket be bound to an address? */
import { IpAddress, isMapped } from '../core/address.js';
import { Errno } from '../core/errno.js';
import { Destination } from '../core/packet.js';
import type { DatagramLayer } from './layer.js';

/** Destination.host for an address of ours, multicast for any group, broadcast for a broadcast address of ours; else -EADDRNOTAVAIL. */
export function bindable(layer: DatagramLayer, address: IpAddress): number {
  const a = isMapped(address) ? IpAddress.v4(address.w3) : address;
  const network = layer.networkOf(a.family);
  if (!network) return -Errno.EADDRNOTAVAIL;
  if (network.isLocal(a)) return Destination.host;
  if (a.isMulticast()) return Destination.multicast;
  const route = network.route(a, null, layer.env.ledger.unattributed, false);
  return typeof route !== 'number' && route.kind === Destination.broadcast ? Destination.broadcast : -Errno.EADDRNOTAVAIL;
}
