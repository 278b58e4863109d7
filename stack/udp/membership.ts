/**
 * Multicast groups that a socket has joined (RFC 1112 7.1; Linux's ip_mc_join_group). The network layer is told once per socket and group;
 * it keeps the device's list. A socket with IP_MULTICAST_ALL (the default) also hears groups that others on this host have joined.
 */
import type { IpAddress } from '../core/address.js';
import { Errno } from '../core/errno.js';
import { Sysctl } from '../core/sysctl.js';
import type { NetDevice } from '../ip/device.js';
import type { UdpSocket } from './socket.js';

interface Membership {
  readonly group: IpAddress;
  readonly device: NetDevice;
}

export class Memberships {
  private readonly socket: UdpSocket;
  private list: Membership[] | null = null;

  constructor(socket: UdpSocket) {
    this.socket = socket;
  }

  /** `at`: an address of the interface, or the interface itself `on`; null to let routing choose. -EINVAL no group; -ENODEV; -EADDRINUSE joined already; -ENOBUFS too many. */
  join(group: IpAddress, at: IpAddress | null, on: NetDevice | null = null): number {
    if (!group.isMulticast()) return -Errno.EINVAL;
    const device = on ?? this.deviceFor(group, at);
    if (!device) return -Errno.ENODEV;
    const list = (this.list ??= []);
    if (list.some((m) => m.device === device && m.group.equals(group))) return -Errno.EADDRINUSE;
    if (list.length >= this.socket.layer.env.sysctl.values[Sysctl.igmp_max_memberships]!) return -Errno.ENOBUFS;
    list.push({ group, device });
    this.socket.layer.networkOf(group.family)?.joinGroup?.(device, group);
    return 0;
  }

  /** -EADDRNOTAVAIL when it is no member. */
  leave(group: IpAddress, at: IpAddress | null, on: NetDevice | null = null): number {
    const list = this.list ?? [];
    const device = on ?? (at ? this.deviceFor(group, at) : null);
    const i = list.findIndex((m) => (!device || m.device === device) && m.group.equals(group));
    if (i < 0) return at && !device ? -Errno.ENODEV : -Errno.EADDRNOTAVAIL;
    const m = list[i]!;
    list.splice(i, 1);
    this.socket.layer.networkOf(group.family)?.leaveGroup?.(m.device, m.group);
    return 0;
  }

  leaveAll(): void {
    for (const m of this.list ?? []) this.socket.layer.networkOf(m.group.family)?.leaveGroup?.(m.device, m.group);
    this.list = null;
  }

  /** Is it a member of the group with these address words on this device? */
  has(w0: number, w1: number, w2: number, w3: number, device: number): boolean {
    if (!this.list) return false;
    for (const m of this.list) {
      const g = m.group;
      if (m.device.index === device && g.w3 === w3 && g.w2 === w2 && g.w1 === w1 && g.w0 === w0) return true;
    }
    return false;
  }

  private deviceFor(group: IpAddress, at: IpAddress | null): NetDevice | null {
    const network = this.socket.layer.networkOf(group.family);
    if (!network) return null;
    const source = at && !at.isAny() ? at : null;
    if (source && !network.isLocal(source)) return null;
    const route = network.route(group, source, this.socket.owner, false);
    return typeof route === 'number' ? null : route.device;
  }
}
