/** Addresses as the MIB modules have them: InetAddressType and InetAddress (RFC 4001), IpAddress (RFC 2578), and their place in an index. */
import { isIPv4, isIPv6 } from 'node:net';

/** An IPv4 or IPv6 address as its octets, 4 or 16. */
export type InetOctets = readonly number[];

/** InetAddressType. */
export const InetType = Object.freeze({ ipv4: 1, ipv6: 2 });

export function inetType(octets: InetOctets): number {
  return octets.length === 4 ? InetType.ipv4 : InetType.ipv6;
}

/** Type, length and octets: how InetAddressType and InetAddress stand in an index. */
export function inetIndex(octets: InetOctets): number[] {
  return [inetType(octets), octets.length, ...octets];
}

/** The 32-bit word of an IPv4 address: the value of an IpAddress. */
export function ipv4Word(octets: InetOctets): number {
  return ((octets[0]! << 24) | (octets[1]! << 16) | (octets[2]! << 8) | octets[3]!) >>> 0;
}

/** Host-order words of a ledger row (IPv4 in its mapped form) to octets. */
export function octetsOfWords(family: 4 | 6, words: ArrayLike<number>, at: number): InetOctets {
  const last = octetsOfWord(words[at + 3]!);
  if (family === 4) return last;
  return [...octetsOfWord(words[at]!), ...octetsOfWord(words[at + 1]!), ...octetsOfWord(words[at + 2]!), ...last];
}

function octetsOfWord(word: number): number[] {
  return [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255];
}

/** Reads an address as the REST doors print it. Undefined when it is none. */
export function parseInet(text: string): InetOctets | undefined {
  if (isIPv4(text)) return text.split('.').map(Number);
  const bare = text.split('%')[0]!;
  if (!isIPv6(bare)) return undefined;
  const [head, tail] = bare.split('::');
  const front = groups(head!);
  const back = groups(tail ?? '');
  return [...front, ...new Array<number>(16 - front.length - back.length).fill(0), ...back];
}

function groups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((g) => {
    if (g.includes('.')) return g.split('.').map(Number);
    const n = Number.parseInt(g, 16);
    return [n >> 8, n & 255];
  });
}

/** The network part of an address. */
export function masked(octets: InetOctets, prefix: number): InetOctets {
  return octets.map((o, i) => o & maskOctet(prefix, i));
}

/** The IPv4 netmask of a prefix length, as octets. */
export function netmask(prefix: number): InetOctets {
  return [0, 1, 2, 3].map((i) => maskOctet(prefix, i));
}

function maskOctet(prefix: number, index: number): number {
  const bits = Math.min(Math.max(prefix - index * 8, 0), 8);
  return (0xff << (8 - bits)) & 0xff;
}

/** `02:00:5e:10:00:01` to octets; none for text that is no MAC address. */
export function macOctets(text: string | null): Uint8Array {
  if (text === null || !/^([0-9a-f]{2}:)*[0-9a-f]{2}$/i.test(text)) return new Uint8Array(0);
  return Uint8Array.from(text.split(':'), (hex) => Number.parseInt(hex, 16));
}
