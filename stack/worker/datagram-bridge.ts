/** The stack's end of a datagram socket that another thread uses. A full ring leaves datagrams in the socket, whose buffer then drops and counts. */
import { Errno } from '../core/errno.js';
import { Channel, Word } from '../socket/node/channel.js';
import { DatagramRing } from '../socket/node/datagram-ring.js';
import { type DatagramSocket, Msg, Poll, ReceivedFrom } from '../socket/socket.js';
import type { Bridge, BridgeOwner } from './bridge.js';

/** Bytes of each ring: several datagrams of the largest size. */
export const DATAGRAM_RING = 1 << 19;

export class DatagramBridge implements Bridge {
  readonly slot: number;
  readonly channel: Channel;
  queued = false;
  private readonly socket: DatagramSocket;
  private readonly owner: BridgeOwner;
  private readonly received: DatagramRing;
  private readonly toSend: DatagramRing;
  private readonly from = new ReceivedFrom();
  private toldTail = 0;

  constructor(socket: DatagramSocket, slot: number, owner: BridgeOwner) {
    this.socket = socket;
    this.slot = slot;
    this.owner = owner;
    this.channel = Channel.create(DATAGRAM_RING);
    this.received = new DatagramRing(this.channel.received);
    this.toSend = new DatagramRing(this.channel.toSend);
    socket.onReady = () => owner.queue(this);
  }

  service(): void {
    this.send();
    if (this.channel.get(Word.close) !== 0) {
      this.close();
      return;
    }
    let news = this.receive();
    // the user waits for the fate of datagrams or for room: it alone raises and clears the flag
    const tail = this.toSend.ring.tail();
    if (tail !== this.toldTail && this.channel.get(Word.waits) !== 0) {
      this.toldTail = tail;
      news = true;
    }
    if (news) this.owner.tellUser(this.slot);
  }

  close(): void {
    this.socket.onReady = () => {};
    this.socket.close();
    this.owner.remove(this);
  }

  private receive(): boolean {
    const bytes = this.received.ring.bytes;
    let news = false;
    while ((this.socket.poll() & (Poll.IN | Poll.ERR)) !== 0) {
      const length = this.socket.readable();
      const at = this.reserve(length);
      if (at < 0) return news;
      const n = this.socket.receiveFrom(bytes, at, length, Msg.DONTWAIT, this.from);
      if (n === -Errno.EAGAIN) return news;
      if (n < 0) continue; // an ICMP error, which reading has taken
      if (this.from.address) this.received.commit(n, this.from.address, this.from.port);
      news = true;
    }
    return news;
  }

  private reserve(length: number): number {
    const at = this.received.reserve(length);
    if (at >= 0) return at;
    this.channel.set(Word.wantsRoom, 1);
    return this.received.reserve(length); // the user may have read before it saw the flag
  }

  private send(): void {
    const ring = this.toSend;
    for (let r = ring.first(); r >= 0; r = ring.first()) {
      const to = { address: ring.address(r), port: ring.port(r) };
      const n = this.socket.sendTo(ring.ring.bytes, ring.payloadAt(r), ring.length(r), Msg.DONTWAIT, to, ring.segmentSize(r));
      if (n === -Errno.EAGAIN) break; // the socket says when there is room again
      ring.release(r, n < 0 ? -n : 0);
    }
  }
}
