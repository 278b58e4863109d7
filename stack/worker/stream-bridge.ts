/**
 * The stack's end of a stream that another thread uses: moves bytes between a stream socket and the channel's rings, without a copy of its
 * own, and news (end, error) and wishes (end, close, abort) with them. Lives until the user has closed and everything is sent.
 */
import { Errno } from '../core/errno.js';
import { Channel, Word } from '../socket/node/channel.js';
import { Level, Msg, Shutdown, So, type StreamSocket, TcpOpt } from '../socket/socket.js';
import type { Bridge, BridgeOwner } from './bridge.js';

/** Bytes of each ring. */
export const STREAM_RING = 1 << 18;

export class StreamBridge implements Bridge {
  readonly slot: number;
  readonly channel: Channel;
  queued = false;
  private readonly socket: StreamSocket;
  private readonly owner: BridgeOwner;
  private receiveDone = false;
  private sendDone = false;
  private noDelay = 0;
  private keepAlive = 0;

  constructor(socket: StreamSocket, slot: number, owner: BridgeOwner) {
    this.socket = socket;
    this.slot = slot;
    this.owner = owner;
    this.channel = Channel.create(STREAM_RING);
    socket.onReady = () => owner.queue(this);
  }

  /** Moves what can be moved. */
  service(): void {
    const c = this.channel;
    if (c.get(Word.abort) !== 0) {
      this.socket.setOption(Level.SOCKET, So.LINGER, [1, 0]);
      this.end();
      return;
    }
    this.options();
    const closing = c.get(Word.close) !== 0;
    let news = this.receive(closing);
    news = this.send() || news;
    if (closing && this.sendDone) {
      this.end();
      return;
    }
    if (news) this.owner.tellUser(this.slot);
  }

  /** The stack stops: the socket is closed, its connection ended as TCP ends it. */
  close(): void {
    this.end();
  }

  private end(): void {
    this.socket.onReady = () => {};
    this.socket.close();
    this.owner.remove(this);
  }

  /** Sets the options that the user has changed. */
  private options(): void {
    const noDelay = this.channel.get(Word.noDelay);
    if (noDelay !== this.noDelay) {
      this.noDelay = noDelay;
      this.socket.setOption(Level.TCP, TcpOpt.NODELAY, noDelay);
    }
    const keepAlive = this.channel.get(Word.keepAlive);
    if (keepAlive !== this.keepAlive) {
      this.keepAlive = keepAlive;
      this.socket.setOption(Level.SOCKET, So.KEEPALIVE, keepAlive);
    }
  }

  /** From the socket into the ring. True when the user has something new to see. */
  private receive(closing: boolean): boolean {
    if (this.receiveDone || closing) return false;
    const c = this.channel;
    const ring = c.received;
    let news = false;
    for (;;) {
      let room = ring.contiguousFree();
      if (room === 0) {
        c.set(Word.wantsRoom, 1);
        room = ring.contiguousFree(); // the user may have read before it saw the flag
        if (room === 0) return news;
      }
      const n = this.socket.receive(ring.bytes, ring.writeAt(), room, Msg.DONTWAIT);
      if (n > 0) ring.produced(n);
      else if (n === -Errno.EAGAIN) return news;
      else {
        this.receiveDone = true;
        if (n === 0) c.set(Word.eof, 1);
        else this.fail(-n);
        return true;
      }
      news = true;
    }
  }

  /** From the ring into the socket. True when the user waits for the room that was made. */
  private send(): boolean {
    const c = this.channel;
    const ring = c.toSend;
    let moved = false;
    while (!this.sendDone) {
      const fin = c.get(Word.fin) !== 0 || c.get(Word.close) !== 0; // before the ring: what was written before is then seen
      const n = ring.contiguousUsed();
      if (n === 0) {
        if (!fin) break;
        this.sendDone = true;
        if (c.get(Word.fin) !== 0) this.socket.shutdown(Shutdown.WR);
        break;
      }
      const sent = this.socket.send(ring.bytes, ring.readAt(), n, Msg.DONTWAIT | Msg.NOSIGNAL);
      if (sent > 0) {
        ring.consumed(sent);
        moved = true;
      } else if (sent === -Errno.EAGAIN || sent === 0) break;
      else {
        this.fail(-sent); // what had been received is in the user's ring by now, as far as it fits
        return true;
      }
    }
    return moved && c.get(Word.waits) !== 0;
  }

  private fail(errno: number): void {
    if (this.channel.get(Word.error) === 0) this.channel.set(Word.error, errno);
    this.sendDone = true;
    this.receiveDone = true;
  }
}
