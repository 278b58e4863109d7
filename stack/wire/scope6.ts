/** Kinds and scopes of IPv6 addresses (RFC 4291 2, 4007, 6724 3.1), and the groups that are derived from them. */
import { IpAddress } from '../core/address.js';

/** RFC 4291 2.7, used for unicast too (RFC 6724 3.1). */
export const Scope = Object.freeze({ interfaceLocal: 1, linkLocal: 2, siteLocal: 5, global: 14 });

export function isLinkLocal(w0: number): boolean {
  return (w0 & 0xffc00000) >>> 0 === 0xfe800000;
}
export function isLoopback6(w0: number, w1: number, w2: number, w3: number): boolean {
  return w3 === 1 && w0 === 0 && w1 === 0 && w2 === 0;
}
export function scopeOf(a: IpAddress): number {
  if (a.w0 >>> 24 === 0xff) return (a.w0 >>> 16) & 15;
  if (isLinkLocal(a.w0) || isLoopback6(a.w0, a.w1, a.w2, a.w3)) return Scope.linkLocal;
  return (a.w0 & 0xffc00000) >>> 0 === 0xfec00000 ? Scope.siteLocal : Scope.global;
}

export const INTERFACE_ALL_NODES: IpAddress = IpAddress.from('ff01::1');
export const ALL_NODES: IpAddress = IpAddress.from('ff02::1');
export const ALL_ROUTERS: IpAddress = IpAddress.from('ff02::2');
export const MLD2_ROUTERS: IpAddress = IpAddress.from('ff02::16');
export const UNSPECIFIED: IpAddress = IpAddress.from('::');
export const LOOPBACK6: IpAddress = IpAddress.from('::1');

/** RFC 4291 2.7.1: ff02::1:ff00:0/104 and the low 24 bits. */
export function solicitedNode(a: IpAddress): IpAddress {
  return new IpAddress(6, 0xff020000, 0, 1, 0xff000000 | (a.w3 & 0xffffff));
}
export function isSolicitedNode(w0: number, w1: number, w2: number, w3: number): boolean {
  return w0 === 0xff020000 && w1 === 0 && w2 === 1 && w3 >>> 24 === 0xff;
}
/** RFC 2464 7: 33-33 and the low 32 bits; this is the high half of the MAC address. */
export const MULTICAST6_HIGH = 0x3333;

/** RFC 4291 appendix A: the interface identifier of a MAC address, as the two low words of an address. */
export function eui64(macHigh: number, macLow: number): { readonly w2: number; readonly w3: number } {
  const w2 = (((macHigh ^ 0x0200) << 16) | ((macLow >>> 24) << 8) | 0xff) >>> 0;
  const w3 = (0xfe000000 | (macLow & 0xffffff)) >>> 0;
  return { w2, w3 };
}
/** A Map key, eight characters. */
export function key6(w0: number, w1: number, w2: number, w3: number): string {
  return String.fromCharCode(w0 >>> 16, w0 & 0xffff, w1 >>> 16, w1 & 0xffff, w2 >>> 16, w2 & 0xffff, w3 >>> 16, w3 & 0xffff);
}
