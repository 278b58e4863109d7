/**
 * Master key tuples (RFC 5925 3.1): which peers, which algorithm, which IDs. A socket keeps them in an `AoInfo`; the newest comes first. A
 * listener's that match a peer are copied to its connection, with their traffic keys (connection-keys.ts).
 */
import type { IpAddress } from '../../core/address.js';
import { AO_HEADER } from '../../wire/tcp.js';
import { covers } from '../signature.js';
import { aesCmac, cmacMasterKey, hmacSha1, type Mac } from './mac.js';

/** TCP_AO_KEYF_*. */
export const AoKeyFlag = Object.freeze({ ifindex: 1, excludeOptions: 2 });
const DEFAULT_MAC_BYTES = 12;
/** Any ID, in look-ups. */
export const ANY_ID = -1;

export class AoKey {
  readonly address: IpAddress;
  /** Bits of the address that count. */
  readonly prefix: number;
  readonly sendId: number;
  readonly receiveId: number;
  readonly flags: number;
  readonly mac: Mac;
  /** The master key as the algorithm takes it, and ready for it. */
  readonly master: Uint8Array;
  readonly prepared: Uint32Array;
  readonly macBytes: number;
  /** Traffic keys of an established connection, each way; null until derived. */
  send: Uint32Array | null = null;
  receive: Uint32Array | null = null;
  good = 0;
  bad = 0;

  constructor(
    address: IpAddress,
    prefix: number,
    sendId: number,
    receiveId: number,
    flags: number,
    mac: Mac,
    master: Uint8Array,
    macBytes: number,
  ) {
    this.address = address;
    this.prefix = prefix;
    this.sendId = sendId;
    this.receiveId = receiveId;
    this.flags = flags;
    this.mac = mac;
    this.master = master;
    this.prepared = mac.prepare(master);
    this.macBytes = macBytes;
  }

  /** For a connection of its own. */
  copy(): AoKey {
    return new AoKey(this.address, this.prefix, this.sendId, this.receiveId, this.flags, this.mac, this.master, this.macBytes);
  }

  get excludesOptions(): boolean {
    return (this.flags & AoKeyFlag.excludeOptions) !== 0;
  }
  /** Option bytes, padding included. */
  get optionBytes(): number {
    return (AO_HEADER + this.macBytes + 3) & ~3;
  }
  covers(a: IpAddress): boolean {
    return covers(this.address, this.prefix, a);
  }
  matches(sendId: number, receiveId: number): boolean {
    return (sendId === ANY_ID || this.sendId === sendId) && (receiveId === ANY_ID || this.receiveId === receiveId);
  }
  /** Do the peers of this key and those of another have one in common? */
  overlaps(address: IpAddress, prefix: number): boolean {
    return covers(this.address, Math.min(prefix, this.prefix), address);
  }
}

/** The algorithm and what it makes of a master key; null for a name that is not had. */
export function algorithm(name: string, key: Uint8Array): { readonly mac: Mac; readonly master: Uint8Array } | null {
  if (name === 'hmac(sha1)') return { mac: hmacSha1, master: key };
  if (name === 'cmac(aes128)') return { mac: aesCmac, master: cmacMasterKey(key) };
  if (name === 'cmac(aes)' && key.length === aesCmac.bytes) return { mac: aesCmac, master: key };
  return null;
}
export function macLength(asked: number): number {
  return asked || DEFAULT_MAC_BYTES;
}

/** A socket's keys and what it wants done with them. */
export class AoInfo {
  /** Newest first. */
  keys: AoKey[] = [];
  /** Unsigned segments are refused even of peers without a key. */
  required = false;
  /** Believe hard ICMP errors (RFC 5925 7.8). */
  acceptIcmps = false;
  /** What we sign with, and what we ask the peer to sign with; a listener has none. */
  current: AoKey | null = null;
  rnext: AoKey | null = null;
  good = 0;
  bad = 0;
  keyNotFound = 0;
  unsigned = 0;
  droppedIcmps = 0;

  /** Among keys that all belong to the one peer of a connection. */
  byId(sendId: number, receiveId: number): AoKey | null {
    for (const k of this.keys) if (k.matches(sendId, receiveId)) return k;
    return null;
  }
  forPeer(a: IpAddress, sendId: number, receiveId: number): AoKey | null {
    for (const k of this.keys) if (k.matches(sendId, receiveId) && k.covers(a)) return k;
    return null;
  }
  /** Must segments of this peer be signed? */
  demands(a: IpAddress): boolean {
    return this.required || this.forPeer(a, ANY_ID, ANY_ID) !== null;
  }

  /** What a connection to `remote` inherits, null when no key is for it. */
  childFor(remote: IpAddress): AoInfo | null {
    const child = new AoInfo();
    // Linux puts copies in front of each other: the child's order is the listener's backwards
    for (const k of this.keys) if (k.covers(remote)) child.keys.unshift(k.copy());
    if (child.keys.length === 0) return null;
    child.required = this.required;
    child.acceptIcmps = this.acceptIcmps;
    return child;
  }
}
