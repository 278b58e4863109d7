/**
 * A UDP socket as node:dgram's: 'listening', 'message' with its rinfo, 'error', 'close'. A send is done when the stack has taken it, and
 * its callback is given the stack's verdict (EMSGSIZE, ENETUNREACH, …); without a callback a failed send is dropped, as the wire may do.
 */
import { EventEmitter } from 'node:events';
import { IpAddress } from '../../core/address.js';
import { Errno } from '../../core/errno.js';
import { Channel, Word } from './channel.js';
import { DatagramRing, LARGEST_DATAGRAM } from './datagram-ring.js';
import { type SocketError, socketError, stoppedError } from './errors.js';
import type { PlainEndpoint, SocketReply } from './messages.js';
import type { Asker, Registry, SlotUser } from './registry.js';

export interface RemoteInfo {
  address: string;
  family: 'IPv4' | 'IPv6';
  port: number;
  size: number;
}
/** `udp6` takes IPv4 too unless `ipv6Only`. */
export interface DatagramOptions {
  readonly type: 'udp4' | 'udp6';
  readonly ipv6Only?: boolean;
}
export type SendCallback = (error: Error | null, bytes: number) => void;

interface Waiting {
  readonly message: Uint8Array;
  /** Size of the datagrams that it is cut into, 0: it is one. */
  readonly segmentSize: number;
  readonly to: PlainEndpoint;
  readonly done: SendCallback | undefined;
}
interface Sent {
  /** Ring position of the record. */
  readonly position: number;
  readonly length: number;
  readonly to: PlainEndpoint;
  readonly done: SendCallback | undefined;
}

export class DatagramSocket extends EventEmitter implements Asker, SlotUser {
  readonly type: 'udp4' | 'udp6';
  private readonly only6: boolean;
  private readonly registry: Registry;
  private id = -1;
  private slot = -1;
  private channel: Channel | null = null;
  private received: DatagramRing | null = null;
  private toSend: DatagramRing | null = null;
  private local: PlainEndpoint | null = null;
  private wanted: PlainEndpoint | null = null;
  private closed = false;
  private segmentSize = 0;
  /** Sends that wait for the socket to be bound or for room. */
  private readonly waiting: Waiting[] = [];
  /** Sends in the ring, oldest first. */
  private readonly sent: Sent[] = [];

  constructor(registry: Registry, options: DatagramOptions) {
    super();
    this.registry = registry;
    this.type = options.type;
    this.only6 = options.ipv6Only === true;
  }

  /** 'message' with the right types. */
  onMessage(listener: (message: Buffer, from: RemoteInfo) => void): this {
    return this.on('message', listener);
  }

  /** `bind(port, address?, callback?)` or `bind({ port, address }, callback?)`. */
  bind(
    port?: number | { readonly port?: number; readonly address?: string },
    address?: string | (() => void),
    onListening?: () => void,
  ): this {
    const at = typeof port === 'object' ? port : { port, address: typeof address === 'string' ? address : undefined };
    const callback = typeof address === 'function' ? address : onListening;
    if (callback) this.once('listening', callback);
    this.open({ address: at.address ?? this.anyAddress(), port: at.port ?? 0 });
    return this;
  }

  /** `send(message, port, address, callback?)` or `send(message, offset, length, port, address, callback?)`. */
  send(message: Uint8Array | string, ...rest: readonly (number | string | SendCallback | undefined)[]): void {
    let bytes: Uint8Array = typeof message === 'string' ? Buffer.from(message) : message;
    let [port, address, done] = rest;
    if (typeof rest[0] === 'number' && typeof rest[1] === 'number') {
      bytes = bytes.subarray(rest[0], rest[0] + rest[1]);
      [, , port, address, done] = rest;
    }
    const callback = typeof done === 'function' ? done : undefined;
    const to = { address: typeof address === 'string' ? address : this.loopback(), port: Number(port) };
    if (this.closed || this.registry.stopped) {
      const error = this.closed ? socketError(Errno.EBADF, 'send', to) : stoppedError('send');
      if (callback) queueMicrotask(() => callback(error, 0));
      return;
    }
    // the caller may change its buffer once this returns: copy unless it goes into the ring at once
    const { segmentSize } = this;
    if (this.waiting.length > 0 || !this.put({ message: bytes, segmentSize, to, done: callback })) {
      this.waiting.push({ message: Uint8Array.from(bytes), segmentSize, to, done: callback });
    }
    if (!this.channel && this.id < 0) this.open({ address: this.anyAddress(), port: 0 });
  }

  /**
   * What is sent from now on is cut into datagrams of this size, the last one perhaps shorter: UDP_SEGMENT, which node:dgram has not. Up to
   * 128 of them and 65507 octets go down the stack as one, and through a TAP with offloads too. 0: each message is one datagram.
   * @throws RangeError for a size that is none
   */
  setSegmentSize(size: number): void {
    if (!Number.isInteger(size) || size < 0 || size > 0xffff) throw new RangeError(`not a segment size: ${size}`);
    this.segmentSize = size;
  }

  close(onClose?: () => void): this {
    if (this.closed) {
      if (onClose) queueMicrotask(onClose); // the stack's end has closed it: nobody must wait for that again
      return this;
    }
    if (onClose) this.once('close', onClose);
    this.closed = true;
    if (this.id >= 0) {
      this.registry.forget(this.id);
      this.registry.post({ op: 'cancel', id: this.id });
      this.id = -1;
    }
    if (this.channel) {
      this.reap();
      this.channel.set(Word.close, 1);
      this.registry.detach(this.slot);
      this.registry.bell(this.slot);
    }
    this.drop();
    queueMicrotask(() => this.emit('close'));
    return this;
  }

  address(): { address: string; family: 'IPv4' | 'IPv6'; port: number } {
    if (!this.local) throw socketError(Errno.EBADF, 'getsockname');
    return { ...this.local, family: this.type === 'udp6' ? 'IPv6' : 'IPv4' };
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }

  onReply(reply: Exclude<SocketReply, { readonly op: 'bell' }>): void {
    this.registry.forget(this.id);
    this.id = -1;
    if (reply.op === 'failed') {
      this.emit('error', socketError(reply.errno, reply.call, this.wanted ?? undefined));
      return;
    }
    if (reply.op !== 'opened') return;
    this.slot = reply.slot;
    this.channel = new Channel(reply.memory);
    this.received = new DatagramRing(this.channel.received);
    this.toSend = new DatagramRing(this.channel.toSend);
    this.local = reply.local;
    this.registry.attach(this.slot, this);
    this.emit('listening');
    this.onBell();
  }

  onBell(): void {
    this.reap();
    this.flush();
    this.take();
  }

  onStackStopped(): void {
    this.id = -1;
    this.closed = true;
    this.drop();
    queueMicrotask(() => this.emit('close'));
  }

  private open(at: PlainEndpoint): void {
    if (this.registry.stopped) {
      queueMicrotask(() => this.emit('error', stoppedError('bind')));
      return;
    }
    if (this.id >= 0 || this.channel) throw socketError(Errno.EINVAL, 'bind', at);
    this.wanted = at;
    this.id = this.registry.ask(this);
    this.registry.post({ op: 'bind', id: this.id, at, only6: this.only6 });
  }

  /** Writes one datagram into the ring. False: no room, or not yet bound. */
  private put(w: Waiting): boolean {
    const ring = this.toSend;
    const channel = this.channel;
    if (!ring || !channel) return false;
    const address = IpAddress.parse(w.to.address);
    if (!address || w.message.length > LARGEST_DATAGRAM) {
      const error = socketError(address ? Errno.EMSGSIZE : Errno.EINVAL, 'send', w.to);
      queueMicrotask(() => w.done?.(error, 0));
      return true;
    }
    this.reap(); // before a new record takes the place of one whose fate was not read
    let at = ring.reserve(w.message.length);
    if (at < 0) {
      channel.set(Word.waits, 1);
      at = ring.reserve(w.message.length);
      if (at < 0) return false;
    }
    const position = ring.ring.head();
    ring.ring.bytes.set(w.message, at);
    this.sent.push({ position, length: w.message.length, to: w.to, done: w.done });
    ring.commit(w.message.length, address, w.to.port, w.segmentSize);
    if (w.done) channel.set(Word.waits, 1);
    this.registry.bell(this.slot); // after the flag, so that the stack looks at it once more
    return true;
  }

  private flush(): void {
    while (this.waiting.length > 0 && this.put(this.waiting[0]!)) this.waiting.shift();
    if (this.waiting.length === 0 && !this.sent.some((s) => s.done)) this.channel?.set(Word.waits, 0);
  }

  /** Reads the fate of the datagrams that the stack has done with. */
  private reap(): void {
    const ring = this.toSend;
    if (!ring) return;
    const tail = ring.ring.tail();
    while (this.sent.length > 0 && ((tail - this.sent[0]!.position) | 0) > 0) {
      const s = this.sent.shift()!;
      if (!s.done) continue;
      const errno = ring.statusAt(s.position);
      const error: SocketError | null = errno === 0 ? null : socketError(errno, 'send', s.to);
      const done = s.done;
      queueMicrotask(() => done(error, error ? 0 : s.length));
    }
  }

  private take(): void {
    const ring = this.received;
    const channel = this.channel;
    if (!ring || !channel) return;
    for (let r = ring.first(); r >= 0 && !this.closed; r = ring.first()) {
      const at = ring.payloadAt(r);
      const size = ring.length(r);
      const message = Buffer.from(ring.ring.bytes.subarray(at, at + size));
      const address = ring.address(r);
      const from: RemoteInfo = {
        address: address.toString(),
        family: address.family === 6 ? 'IPv6' : 'IPv4',
        port: ring.port(r),
        size,
      };
      ring.release(r, 0);
      if (channel.get(Word.wantsRoom) !== 0) {
        channel.set(Word.wantsRoom, 0);
        this.registry.bell(this.slot);
      }
      this.emit('message', message, from);
    }
  }

  /** Calls back whoever still waits. */
  private drop(): void {
    const error = socketError(Errno.EBADF, 'send');
    for (const w of this.waiting.splice(0)) if (w.done) w.done(error, 0);
    for (const s of this.sent.splice(0)) if (s.done) s.done(null, s.length);
  }

  private anyAddress(): string {
    return this.type === 'udp6' ? '::' : '0.0.0.0';
  }
  private loopback(): string {
    return this.type === 'udp6' ? '::1' : '127.0.0.1';
  }
}
