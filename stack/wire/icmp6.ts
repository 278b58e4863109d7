/** ICMPv6 (RFC 4443, 4861, 2710, 3810): types, codes, Linux's map to errno, and writing the header. */
import { fold, partialSum, pseudoSum } from '../core/checksum.js';
import { Errno } from '../core/errno.js';
import type { Packet } from '../core/packet.js';
import { emitIcmp } from './icmp.js';
import { NextHeader } from './ipv6.js';

export const ICMP6_HEADER = 8;
export const Icmp6Type = Object.freeze({
  destinationUnreachable: 1,
  packetTooBig: 2,
  timeExceeded: 3,
  parameterProblem: 4,
  echoRequest: 128,
  echoReply: 129,
  listenerQuery: 130,
  listenerReport: 131,
  listenerDone: 132,
  routerSolicitation: 133,
  routerAdvertisement: 134,
  neighborSolicitation: 135,
  neighborAdvertisement: 136,
  redirect: 137,
  listenerReport2: 143,
  extendedEchoReply: 161,
});
/** Codes of "destination unreachable". */
export const Unreachable6 = Object.freeze({
  noRoute: 0,
  prohibited: 1,
  beyondScope: 2,
  address: 3,
  port: 4,
  policy: 5,
  reject: 6,
});
export const TimeExceeded6 = Object.freeze({ hopLimit: 0, reassembly: 1 });
/** Codes of "parameter problem". */
export const Parameter6 = Object.freeze({ field: 0, nextHeader: 1, option: 2, incomplete: 3 });

/** RFC 4443 2.1: the high bit tells messages from errors. */
export function isIcmp6Error(type: number): boolean {
  return type < 128;
}

/** Discovery and MLD: what any stack of a host may have to learn from, or to report on. */
export function teachesAll(type: number): boolean {
  return (type >= Icmp6Type.listenerQuery && type <= Icmp6Type.redirect) || type === Icmp6Type.listenerReport2;
}

const E = Errno;
const UNREACHABLE_ERRNO = [E.ENETUNREACH, E.EACCES, E.EHOSTUNREACH, E.EHOSTUNREACH, E.ECONNREFUSED, E.EACCES, E.EACCES] as const;
const UNREACHABLE_FATAL = 0b1110010;

export function icmp6Errno(type: number, code: number): number {
  if (type === Icmp6Type.destinationUnreachable) return UNREACHABLE_ERRNO[code] ?? E.EPROTO;
  if (type === Icmp6Type.packetTooBig) return E.EMSGSIZE;
  return type === Icmp6Type.timeExceeded ? E.EHOSTUNREACH : E.EPROTO;
}
export function icmp6Fatal(type: number, code: number): boolean {
  if (type === Icmp6Type.destinationUnreachable) return ((UNREACHABLE_FATAL >> code) & 1) === 1;
  return type === Icmp6Type.parameterProblem;
}

/**
 * Writes type, code and the rest-of-header word at p.transport and the checksum over pseudo-header (the packet's address words) and
 * everything up to p.tail.
 */
export function emitIcmp6(p: Packet, type: number, code: number, rest: number): void {
  p.family = 6;
  emitIcmp(p, type, code, rest, pseudoSum(p, NextHeader.icmpv6, p.tail - p.transport));
}

/** Does the checksum of the message at p.transport hold? */
export function icmp6ChecksumGood(p: Packet): boolean {
  const length = p.tail - p.transport;
  return fold(partialSum(p, p.transport, length) + pseudoSum(p, NextHeader.icmpv6, length)) === 0xffff;
}

/** Option types of neighbour discovery (RFC 4861 4.6, 3971, 8106). */
export const NdOption = Object.freeze({ sourceLink: 1, targetLink: 2, prefix: 3, redirected: 4, mtu: 5, nonce: 14 });
