/**
 * Socket options of TCP-AO, with Linux's structures, checks and errno: TCP_AO_ADD_KEY, TCP_AO_DEL_KEY, TCP_AO_INFO and, to read, TCP_AO_GET_KEYS
 * (all keys: a getter takes no filter). Keys for interfaces (VRF) and TCP_AO_REPAIR are refused.
 */
import { IpAddress } from '../../core/address.js';
import { Errno } from '../../core/errno.js';
import type { OptionValue } from '../../socket/socket.js';
import { AO_HEADER } from '../../wire/tcp.js';
import { covers, keyFor } from '../signature.js';
import type { TcpSocket } from '../socket.js';
import { TcpState } from '../state.js';
import { ANY_ID, AoInfo, AoKey, AoKeyFlag, algorithm, macLength } from './key.js';

const AF_INET = 2;
const AF_INET6 = 10;
const MAX_KEY = 80;
/** What a SYN leaves beside MSS, timestamps and window scale. */
const SYN_ROOM = 20;

/** struct tcp_ao_add. */
const Add = Object.freeze({
  name: 128, nameBytes: 64, ifindex: 192, bits: 196, reserved: 200, prefix: 202, sendId: 203, receiveId: 204, macBytes: 205, flags: 206,
  keyBytes: 207, key: 208, size: 288,
}); // biome-ignore format: offsets
/** struct tcp_ao_del. */
const Del = Object.freeze({
  ifindex: 128, bits: 132, reserved: 136, prefix: 138, sendId: 139, receiveId: 140, current: 141, rnext: 142, flags: 143, size: 144,
}); // biome-ignore format: offsets
/** struct tcp_ao_info_opt. */
const Info = Object.freeze({ bits: 0, reserved: 4, current: 6, rnext: 7, counters: 8, size: 48 });
/** struct tcp_ao_getsockopt. */
const Get = Object.freeze({
  name: 128, key: 192, count: 272, bits: 276, sendId: 278, receiveId: 279, prefix: 280, macBytes: 281, flags: 282, keyBytes: 283,
  good: 288, bad: 296, size: 304,
}); // biome-ignore format: offsets
/** Bits of the structures, as a little-endian machine lays them. */
const SET_CURRENT = 1;
const SET_RNEXT = 2;
const REQUIRED = 4;
const DEL_ASYNC = 4;
const SET_COUNTERS = 8;
const ACCEPT_ICMPS = 16;
const IS_CURRENT = 1;
const IS_RNEXT = 2;

const viewOf = (raw: Uint8Array) => new DataView(raw.buffer, raw.byteOffset, raw.length);

/** The structure's address; null for a family or port that cannot be. An IPv4 address in IPv6's clothes is one of IPv4. */
function addressOf(s: TcpSocket, v: DataView): IpAddress | null {
  if (v.getUint16(2) !== 0) return null;
  const family = v.getUint16(0, true);
  if (family !== (s.family === 4 ? AF_INET : AF_INET6)) return null;
  if (family === AF_INET) return IpAddress.v4(v.getUint32(4));
  const word = (i: number) => v.getUint32(8 + i * 4);
  const mapped = word(0) === 0 && word(1) === 0 && word(2) === 0xffff;
  return mapped ? IpAddress.v4(word(3)) : new IpAddress(6, word(0), word(1), word(2), word(3));
}

/** A prefix must leave no bits of the address over, and an address needs one. */
function prefixGood(a: IpAddress, prefix: number): boolean {
  if (prefix === 0) return a.isAny();
  if (a.isAny() || prefix > (a.family === 4 ? 32 : 128)) return false;
  const words = a.family === 4 ? [a.w3] : [a.w0, a.w1, a.w2, a.w3];
  for (let i = 0, left = prefix; i < words.length; i++, left -= 32) {
    const host = left >= 32 ? 0 : left <= 0 ? 0xffffffff : 0xffffffff >>> left;
    if (words[i]! & host) return false;
  }
  return true;
}

/** Keys can be given before a connection, and to one that is signed already. */
function refusal(s: TcpSocket): number {
  return s.state === TcpState.CLOSE || s.state === TcpState.LISTEN || s.settings.ao ? 0 : -Errno.EISCONN;
}
function infoFor(s: TcpSocket): AoInfo {
  const own = s.ownSettings();
  own.ao ??= new AoInfo();
  s.tcp.authentication.aoUsed = true;
  return own.ao;
}
/** A listener signs with whatever key a peer asks for. */
function choiceRefused(s: TcpSocket, bits: number): boolean {
  return (bits & (SET_CURRENT | SET_RNEXT)) !== 0 && s.state === TcpState.LISTEN;
}

export function addAoKey(s: TcpSocket, raw: OptionValue): number {
  const error = refusal(s);
  if (error < 0) return error;
  if (!(raw instanceof Uint8Array) || raw.length < Add.size) return -Errno.EINVAL;
  const v = viewOf(raw);
  const bits = v.getUint32(Add.bits, true);
  const flags = raw[Add.flags]!;
  const prefix = raw[Add.prefix]!;
  const length = raw[Add.keyBytes]!;
  if (length > MAX_KEY || bits > (SET_CURRENT | SET_RNEXT) || v.getUint16(Add.reserved) !== 0) return -Errno.EINVAL;
  const address = addressOf(s, v);
  if (!address || !prefixGood(address, prefix)) return -Errno.EINVAL;
  const remote = s.connection?.remote;
  if (remote && prefix > 0 && !covers(address, prefix, remote)) return -Errno.EINVAL;
  if (flags & ~AoKeyFlag.excludeOptions || v.getInt32(Add.ifindex, true) !== 0) return -Errno.EINVAL;
  if (choiceRefused(s, bits)) return -Errno.EINVAL;
  const md5 = s.settings.signatureKeys;
  if (md5 && keyFor(md5, address)) return -Errno.EKEYREJECTED;
  const sendId = raw[Add.sendId]!;
  const receiveId = raw[Add.receiveId]!;
  const clash = (k: AoKey) => (k.sendId === sendId || k.receiveId === receiveId) && k.overlaps(address, prefix);
  if (s.settings.ao?.keys.some(clash)) return -Errno.EEXIST;
  return install(s, raw, address, bits);
}

function install(s: TcpSocket, raw: Uint8Array, address: IpAddress, bits: number): number {
  const name = new TextDecoder().decode(raw.subarray(Add.name, Add.name + Add.nameBytes)).replace(/\0.*$/s, '');
  const made = algorithm(name, raw.slice(Add.key, Add.key + raw[Add.keyBytes]!));
  if (!made) return -Errno.ENOENT;
  const macBytes = macLength(raw[Add.macBytes]!);
  if (((AO_HEADER + macBytes + 3) & ~3) > SYN_ROOM) return -Errno.EMSGSIZE;
  if (macBytes > made.mac.bytes) return -Errno.EINVAL;
  const key = new AoKey(
    address,
    raw[Add.prefix]!,
    raw[Add.sendId]!,
    raw[Add.receiveId]!,
    raw[Add.flags]!,
    made.mac,
    made.master,
    macBytes,
  );
  const info = infoFor(s);
  info.keys.unshift(key);
  if (bits & SET_CURRENT) info.current = key;
  if (bits & SET_RNEXT) info.rnext = key;
  return 0;
}

export function deleteAoKey(s: TcpSocket, raw: OptionValue): number {
  const error = refusal(s);
  if (error < 0) return error;
  if (!(raw instanceof Uint8Array) || raw.length < Del.size) return -Errno.EINVAL;
  const v = viewOf(raw);
  const bits = v.getUint32(Del.bits, true);
  if (bits > (SET_CURRENT | SET_RNEXT | DEL_ASYNC) || v.getUint16(Del.reserved) !== 0) return -Errno.EINVAL;
  if (choiceRefused(s, bits) || raw[Del.flags] !== 0 || v.getInt32(Del.ifindex, true) !== 0) return -Errno.EINVAL;
  const info = s.settings.ao;
  if (!info) return -Errno.ENOENT;
  const current = bits & SET_CURRENT ? info.byId(raw[Del.current]!, ANY_ID) : null;
  const rnext = bits & SET_RNEXT ? info.byId(ANY_ID, raw[Del.rnext]!) : null;
  if ((bits & SET_CURRENT && !current) || (bits & SET_RNEXT && !rnext)) return -Errno.ENOENT;
  if (bits & DEL_ASYNC && s.state !== TcpState.LISTEN) return -Errno.EINVAL;
  const address = addressOf(s, v);
  if (!address) return -Errno.EINVAL;
  const key = info.keys.find(
    (k) =>
      k.sendId === raw[Del.sendId] &&
      k.receiveId === raw[Del.receiveId] &&
      k.prefix === raw[Del.prefix] &&
      k.address.equals(address),
  );
  if (!key || key === current || key === rnext) return -Errno.ENOENT;
  info.current = current ?? info.current;
  info.rnext = rnext ?? info.rnext;
  if (key === info.current || key === info.rnext) return -Errno.EBUSY;
  info.keys = info.keys.filter((k) => k !== key);
  return 0;
}

export function setAoInfo(s: TcpSocket, raw: OptionValue): number {
  const error = refusal(s);
  if (error < 0) return error;
  if (!(raw instanceof Uint8Array) || raw.length < Info.size) return -Errno.EINVAL;
  const v = viewOf(raw);
  const bits = v.getUint32(Info.bits, true);
  if (choiceRefused(s, bits)) return -Errno.EINVAL;
  if (bits > 31 || v.getUint16(Info.reserved) !== 0) return -Errno.EINVAL;
  if (bits & REQUIRED && s.settings.signatureKeys && s.settings.signatureKeys.length > 0) return -Errno.EKEYREJECTED;
  const had = s.settings.ao;
  const current = bits & SET_CURRENT ? had?.byId(raw[Info.current]!, ANY_ID) : had?.current;
  const rnext = bits & SET_RNEXT ? had?.byId(ANY_ID, raw[Info.rnext]!) : had?.rnext;
  if ((bits & SET_CURRENT && !current) || (bits & SET_RNEXT && !rnext)) return -Errno.ENOENT;
  const info = infoFor(s);
  if (bits & SET_COUNTERS) {
    const counter = (i: number) => Number(v.getBigUint64(Info.counters + 8 * i, true));
    info.good = counter(0);
    info.bad = counter(1);
    info.keyNotFound = counter(2);
    info.unsigned = counter(3);
    info.droppedIcmps = counter(4);
  }
  info.required = (bits & REQUIRED) !== 0;
  info.acceptIcmps = (bits & ACCEPT_ICMPS) !== 0;
  info.current = current ?? null;
  info.rnext = rnext ?? null;
  return 0;
}

/** struct tcp_ao_info_opt; null when the socket has nothing of TCP-AO (ENOENT). */
export function getAoInfo(s: TcpSocket): Uint8Array | null {
  const info = s.settings.ao;
  if (!info) return null;
  const raw = new Uint8Array(Info.size);
  const v = viewOf(raw);
  const chosen = (info.current ? SET_CURRENT : 0) | (info.rnext ? SET_RNEXT : 0);
  v.setUint32(Info.bits, chosen | (info.required ? REQUIRED : 0) | (info.acceptIcmps ? ACCEPT_ICMPS : 0), true);
  raw[Info.current] = info.current?.sendId ?? 0;
  raw[Info.rnext] = info.rnext?.receiveId ?? 0;
  const counters = [info.good, info.bad, info.keyNotFound, info.unsigned, info.droppedIcmps];
  for (const [i, n] of counters.entries()) v.setBigUint64(Info.counters + 8 * i, BigInt(n), true);
  return raw;
}

/** One struct tcp_ao_getsockopt a key; the first says how many there are. */
export function getAoKeys(s: TcpSocket): Uint8Array | null {
  const info = s.settings.ao;
  if (!info) return null;
  const all = new Uint8Array(Get.size * Math.max(1, info.keys.length));
  for (const [i, k] of info.keys.entries()) {
    const raw = all.subarray(i * Get.size, (i + 1) * Get.size);
    const v = viewOf(raw);
    const a = k.address;
    v.setUint16(0, a.family === 4 ? AF_INET : AF_INET6, true);
    if (a.family === 4) v.setUint32(4, a.w3);
    else for (const [n, w] of [a.w0, a.w1, a.w2, a.w3].entries()) v.setUint32(8 + 4 * n, w);
    raw.set(new TextEncoder().encode(k.mac.name), Get.name);
    raw.set(k.master, Get.key);
    v.setUint16(Get.bits, (k === info.current ? IS_CURRENT : 0) | (k === info.rnext ? IS_RNEXT : 0), true);
    raw[Get.sendId] = k.sendId;
    raw[Get.receiveId] = k.receiveId;
    raw[Get.prefix] = k.prefix;
    raw[Get.macBytes] = k.macBytes;
    raw[Get.flags] = k.flags;
    raw[Get.keyBytes] = k.master.length;
    v.setBigUint64(Get.good, BigInt(k.good), true);
    v.setBigUint64(Get.bad, BigInt(k.bad), true);
  }
  viewOf(all).setUint32(Get.count, info.keys.length, true);
  return all;
}
