/**
 * What Linux charges for a packet buffer (sk_buff's truesize), on a 64-bit machine with pages of 4 KiB. Where a counter depends on a limit in
 * bytes (fragments, packets that wait for a neighbour, an ICMP socket's send buffer), these make it move at the same packet.
 */
const SK_BUFF = 256;
const SHARED_INFO = 320;
/** Room in front of a received frame (NET_SKB_PAD, NET_IP_ALIGN) and its Ethernet header. */
const RECEIVE_PAD = 80;
/** Room in front of what is sent: link-layer header and alignment. */
const TRANSMIT_PAD = 31;
const SMALL_RECEIVE = 512;
/** The head of a small buffer to send comes from a cache of its own. */
const SMALL_HEAD = 576;

function roundUp(n: number, from: number): number {
  let size = from;
  while (size < n) size *= 2;
  return size;
}

/** A received IP packet of n octets. */
export function receiveTruesize(n: number): number {
  return roundUp(n + RECEIVE_PAD + SHARED_INFO, SMALL_RECEIVE) + SK_BUFF;
}

/** An IP packet of n octets to send. */
export function transmitTruesize(n: number): number {
  const need = n + TRANSMIT_PAD + SHARED_INFO;
  return (need <= SMALL_HEAD ? SMALL_HEAD : roundUp(need, 1024)) + SK_BUFF;
}
