/** ICMP for IPv4 (RFC 792, 950, 1191, 8335): types, codes, Linux's map to errno, and writing the header. */
import { finish, fold, partialSum } from '../core/checksum.js';
import { Errno } from '../core/errno.js';
import type { Packet } from '../core/packet.js';

export const ICMP_HEADER = 8;
export const IcmpType = Object.freeze({
  echoReply: 0,
  destinationUnreachable: 3,
  sourceQuench: 4,
  redirect: 5,
  echo: 8,
  timeExceeded: 11,
  parameterProblem: 12,
  timestamp: 13,
  timestampReply: 14,
  addressMask: 17,
  addressMaskReply: 18,
  extendedEcho: 42,
  extendedEchoReply: 43,
});
/** The highest type that RFC 1122 knows: above it a message is counted as an error. */
export const ICMP_KNOWN_TYPES = 18;
export const Unreachable = Object.freeze({
  net: 0,
  host: 1,
  protocol: 2,
  port: 3,
  fragmentationNeeded: 4,
  sourceRouteFailed: 5,
  filtered: 13,
});
export const UNREACHABLE_CODES = 15;
export const TimeExceeded = Object.freeze({ ttl: 0, reassembly: 1 });

/** Types that are errors (RFC 1122 3.2.2): never answered by an error. Linux counts the unassigned and router ones among them. */
const ERRORS = 0x1efe;
export function isIcmpError(type: number): boolean {
  return type > ICMP_KNOWN_TYPES || ((ERRORS >> type) & 1) === 1;
}

const E = Errno;
/** errno and whether it ends a connection, by code of "destination unreachable". */
// biome-ignore format: a table
const UNREACHABLE_ERRNO = [E.ENETUNREACH, E.EHOSTUNREACH, E.ENOPROTOOPT, E.ECONNREFUSED, E.EMSGSIZE, E.EOPNOTSUPP, E.ENETUNREACH, E.EHOSTDOWN,
  E.ENONET, E.ENETUNREACH, E.EHOSTUNREACH, E.ENETUNREACH, E.EHOSTUNREACH, E.EHOSTUNREACH, E.EHOSTUNREACH, E.EHOSTUNREACH] as const;
const UNREACHABLE_FATAL = 0b1110_0111_1100_1100;

export function icmpErrno(type: number, code: number): number {
  if (type === IcmpType.destinationUnreachable) return UNREACHABLE_ERRNO[code & 15]!;
  if (type === IcmpType.parameterProblem) return E.EPROTO;
  return type === IcmpType.timeExceeded ? E.EHOSTUNREACH : 0;
}
export function icmpFatal(type: number, code: number): boolean {
  if (type === IcmpType.destinationUnreachable) return ((UNREACHABLE_FATAL >> (code & 15)) & 1) === 1;
  return type === IcmpType.parameterProblem;
}

/** Writes type, code and the rest-of-header word at p.transport and the checksum over everything up to p.tail, a pseudo-header's sum included. */
export function emitIcmp(p: Packet, type: number, code: number, rest: number, pseudo = 0): void {
  const at = p.transport;
  const v = p.view;
  p.bytes[at] = type;
  p.bytes[at + 1] = code;
  v.setUint16(at + 2, 0);
  v.setUint32(at + 4, rest);
  v.setUint16(at + 2, finish(fold(partialSum(p, at, p.tail - at) + pseudo)));
}
