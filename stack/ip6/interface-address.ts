/**
 * An IPv6 address of an interface and how it is doing (RFC 4862 2, 5.4, 5.5): tentative until duplicate address detection has passed, then
 * preferred, deprecated when its preferred lifetime is over, and gone when the valid one is.
 */
import type { IpAddress } from '../core/address.js';
import type { DeviceAddress, NetDevice } from '../ip/device.js';

export const AddressState = Object.freeze({ tentative: 0, preferred: 1, deprecated: 2, duplicate: 3 });
export type AddressOrigin = 'manual' | 'link-local' | 'router';

export class InterfaceAddress implements DeviceAddress {
  readonly device: NetDevice;
  readonly address: IpAddress;
  readonly prefix: number;
  readonly origin: AddressOrigin;
  state: number = AddressState.tentative;
  /** Infinity for what no router gave. */
  preferredUntilUs = Number.POSITIVE_INFINITY;
  validUntilUs = Number.POSITIVE_INFINITY;

  constructor(device: NetDevice, address: IpAddress, prefix: number, origin: AddressOrigin) {
    this.device = device;
    this.address = address;
    this.prefix = prefix;
    this.origin = origin;
  }

  /** May packets be sent from it and taken for it? */
  get usable(): boolean {
    return this.state === AddressState.preferred || this.state === AddressState.deprecated;
  }
}
