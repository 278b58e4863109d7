/**
 * Linux's socket memory accounting as far as counters and windows show it. A received frame is charged with its sk_buff's truesize, memory
 * is granted in pages, and what is granted and not used (forwardAlloc) decides whether header prediction may take a segment.
 */
import type { Packet } from '../core/packet.js';
import type { Connection } from './connection.js';

const PAGE = 4096;
const PAGE_SHIFT = 12;
/** struct sk_buff, and the skb_shared_info behind the data. */
const SKB = 256;
const SHARED = 320;
/** Data room of the small-head cache. */
const SMALL = 256;
/** What a driver asks for beside the frame, and what of it lies in front (measured on a veth: NET_IP_ALIGN). */
const RESERVED = 16;
const HEADROOM = 2;
const MIN_FRAME = 60;
/** What is charged beside the data room of an sk_buff. */
export const SKB_OVERHEAD = SKB + SHARED;
/** Charge of an empty sk_buff for sending. */
export const TX_OVERHEAD = SKB + SMALL + SHARED;

/** Data room that Linux would allocate for a frame of this many bytes. */
function room(frame: number): number {
  const need = Math.max(frame, MIN_FRAME) + RESERVED;
  if (need <= SMALL) return SMALL;
  if (need + SHARED > 4 * PAGE) return Math.ceil(need / PAGE) * PAGE;
  let size = 1024;
  while (size < need + SHARED) size *= 2;
  return size - SHARED;
}

/** truesize of the sk_buff that holds an inbound packet. */
export function truesizeOf(p: Packet): number {
  return SKB + SHARED + room(p.tail - p.network + 14);
}
/** truesize of a buffer made for this many bytes of data. */
export function truesizeOfData(length: number): number {
  if (length <= SMALL) return SKB + SHARED + SMALL;
  let size = 1024;
  while (size < length + SHARED) size *= 2;
  return SKB + size;
}
export function tailroomOfData(length: number): number {
  return truesizeOfData(length) - SKB - SHARED - length;
}
/** Bytes that Linux could append to that buffer without another one. */
export function tailroomOf(p: Packet): number {
  const frame = p.tail - p.network + 14;
  return frame > 4 * PAGE ? 0 : Math.max(0, room(frame) - frame - HEADROOM);
}

/** Makes sure that n bytes are granted, whatever tcp_mem says. */
export function grant(c: Connection, n: number): void {
  const missing = n - c.forwardAlloc;
  if (missing <= 0) return;
  const pages = (missing + PAGE - 1) >> PAGE_SHIFT;
  c.forwardAlloc += pages * PAGE;
  c.tcp.memory.force(pages);
}
/** The same if tcp_mem allows. */
export function tryGrant(c: Connection, n: number, receive: boolean): boolean {
  const missing = n - c.forwardAlloc;
  if (missing <= 0) return true;
  const pages = (missing + PAGE - 1) >> PAGE_SHIFT;
  c.forwardAlloc += pages * PAGE;
  if (c.tcp.memory.raise(c, pages, missing, receive)) return true;
  c.forwardAlloc -= pages * PAGE;
  return false;
}
export function charge(c: Connection, n: number): void {
  c.forwardAlloc -= n;
}
/** Memory comes back; whole pages are returned. */
export function uncharge(c: Connection, n: number): void {
  c.forwardAlloc += n;
  if (c.forwardAlloc < PAGE) return;
  const pages = c.forwardAlloc >> PAGE_SHIFT;
  c.forwardAlloc -= pages * PAGE;
  c.tcp.memory.lower(c, pages);
}
/** Nobody will read what is left: all of it goes back. */
export function settleMemory(c: Connection): void {
  unchargeReceive(c, c.rmemAlloc);
}

export function chargeReceive(c: Connection, n: number): void {
  grant(c, n);
  charge(c, n);
  c.rmemAlloc += n;
}
export function unchargeReceive(c: Connection, n: number): void {
  c.rmemAlloc -= n;
  uncharge(c, n);
}
export function chargeSend(c: Connection, n: number): void {
  grant(c, n);
  charge(c, n);
  c.wmemQueued += n;
}
export function unchargeSend(c: Connection, n: number): void {
  c.wmemQueued -= n;
  uncharge(c, n);
}
