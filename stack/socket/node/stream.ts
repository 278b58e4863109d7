/**
 * A TCP connection as a Duplex stream, like node:net's Socket: what `http.createServer().emit('connection', socket)` and its like expect.
 * A write is done when its bytes are in the ring to the stack, as a write to a kernel socket is done when they are in its send buffer.
 */
import { Duplex } from 'node:stream';
import { Errno } from '../../core/errno.js';
import { Channel, Word } from './channel.js';
import { socketError, stoppedError } from './errors.js';
import type { PlainEndpoint, SocketReply } from './messages.js';
import type { Asker, Registry, SlotUser } from './registry.js';

export interface ConnectOptions {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
  readonly localAddress?: string;
  readonly localPort?: number;
  readonly allowHalfOpen?: boolean;
}

export interface StreamOptions {
  readonly allowHalfOpen?: boolean;
}

type Opened = Extract<SocketReply, { readonly op: 'opened' | 'accepted' }>;

interface PendingWrite {
  readonly chunk: Buffer;
  at: number;
  readonly done: (error?: Error | null) => void;
}

/** Bytes handed to the reader at a time. */
const READ_PIECE = 65536;

export class StackSocket extends Duplex implements Asker, SlotUser {
  connecting = false;
  bytesRead = 0;
  bytesWritten = 0;
  timeout = 0;
  private readonly registry: Registry;
  private id = -1;
  private slot = -1;
  private channel: Channel | null = null;
  private local: PlainEndpoint | null = null;
  private remote: PlainEndpoint | null = null;
  private pending: PendingWrite | null = null;
  /** The reader asked for more than there was. */
  private reading = false;
  private ended = false;
  private endWhenOpen = false;
  private reset = false;
  private noDelay = false;
  private keepAlive = false;
  private timer: NodeJS.Timeout | null = null;

  private constructor(registry: Registry, options: StreamOptions) {
    super({ allowHalfOpen: options.allowHalfOpen ?? false, autoDestroy: true, emitClose: true });
    this.registry = registry;
  }

  /** A socket that connects. */
  static connecting(registry: Registry, to: ConnectOptions): StackSocket {
    const s = new StackSocket(registry, to);
    s.remote = { address: to.host, port: to.port };
    s.connecting = true;
    if (registry.stopped) {
      queueMicrotask(() => s.destroy(stoppedError('connect')));
      return s;
    }
    s.id = registry.ask(s);
    const from = to.localAddress !== undefined || to.localPort !== undefined;
    const local = { address: to.localAddress ?? '', port: to.localPort ?? 0 };
    registry.post({ op: 'connect', id: s.id, to: s.remote, ...(from ? { from: local } : {}) });
    return s;
  }

  /** A connection that a listener accepted. */
  static accepted(registry: Registry, reply: Opened, options: StreamOptions): StackSocket {
    const s = new StackSocket(registry, options);
    s.open(reply);
    return s;
  }

  /** Nobody wants this connection any more. */
  static refuse(registry: Registry, reply: Opened): void {
    const channel = new Channel(reply.memory);
    channel.set(Word.close, 1);
    registry.bell(reply.slot);
  }

  onReply(reply: Exclude<SocketReply, { readonly op: 'bell' }>): void {
    this.registry.forget(this.id);
    this.id = -1;
    if (reply.op === 'failed') {
      this.connecting = false;
      this.destroy(socketError(reply.errno, reply.call, this.remote ?? undefined));
      return;
    }
    if (reply.op !== 'opened') return;
    this.connecting = false;
    this.open(reply);
    this.flush();
    if (this.endWhenOpen) this.finishWriting();
    this.emit('connect');
    this.emit('ready');
    this.fill();
  }

  onBell(): void {
    this.flush();
    this.fill();
  }

  onStackStopped(asked: boolean): void {
    this.channel = null;
    this.id = -1;
    this.slot = -1;
    this.destroy(asked && !this.connecting ? undefined : stoppedError(this.connecting ? 'connect' : 'read'));
  }

  get remoteAddress(): string | undefined {
    return this.connecting ? undefined : this.remote?.address;
  }
  get remotePort(): number | undefined {
    return this.connecting ? undefined : this.remote?.port;
  }
  get remoteFamily(): string | undefined {
    return this.remoteAddress === undefined ? undefined : familyOf(this.remoteAddress);
  }
  get localAddress(): string | undefined {
    return this.local?.address;
  }
  get localPort(): number | undefined {
    return this.local?.port;
  }
  get localFamily(): string | undefined {
    return this.local ? familyOf(this.local.address) : undefined;
  }
  get pendingConnect(): boolean {
    return this.connecting;
  }
  /** As net.Socket: 'opening', 'open', 'readOnly', 'writeOnly', 'closed'. */
  get readyState(): string {
    if (this.connecting) return 'opening';
    if (this.readable && this.writable) return 'open';
    if (this.readable) return 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  }
  address(): { address: string; port: number; family: string } | Record<string, never> {
    return this.local ? { ...this.local, family: familyOf(this.local.address) } : {};
  }

  /** Emits 'timeout' after so many ms without traffic; 0 turns it off. */
  setTimeout(ms: number, onTimeout?: () => void): this {
    this.timeout = ms;
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    if (ms > 0) {
      this.timer = setTimeout(() => this.emit('timeout'), ms);
      this.timer.unref();
      if (onTimeout) this.once('timeout', onTimeout);
    } else if (onTimeout) this.removeListener('timeout', onTimeout);
    return this;
  }
  /** Sends small pieces at once instead of waiting for the acknowledgement of those before (RFC 1122 4.2.3.4). */
  setNoDelay(on = true): this {
    this.noDelay = on;
    this.tellOptions();
    return this;
  }
  /** Probes a silent peer; the times are the stack's sysctls. */
  setKeepAlive(on = false): this {
    this.keepAlive = on;
    this.tellOptions();
    return this;
  }
  /** Whether the stack runs is not decided by its sockets: these are here for callers that treat it as node:net's. */
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }

  /** Ends the writable side, and destroys the socket once everything is written. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }
  /** Closes by RST: what is unsent is dropped. */
  resetAndDestroy(): this {
    this.reset = true;
    this.destroy();
    return this;
  }

  override _read(): void {
    this.reading = true;
    this.fill();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.pending = { chunk, at: 0, done };
    this.flush();
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.connecting) this.endWhenOpen = true;
    else this.finishWriting();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    if (this.id >= 0) {
      this.registry.forget(this.id);
      this.registry.post({ op: 'cancel', id: this.id });
      this.id = -1;
    }
    const channel = this.channel;
    this.channel = null;
    if (channel) {
      if (this.reset) channel.set(Word.abort, 1);
      channel.set(Word.close, 1);
      this.registry.detach(this.slot);
      this.registry.bell(this.slot);
    }
    const pending = this.pending;
    this.pending = null;
    done(error);
    if (pending) pending.done(error ?? socketError(Errno.EPIPE, 'write'));
  }

  private open(reply: Opened): void {
    this.slot = reply.slot;
    this.channel = new Channel(reply.memory);
    this.local = reply.local;
    if (reply.remote) this.remote = reply.remote;
    this.registry.attach(this.slot, this);
    if (this.noDelay || this.keepAlive) this.tellOptions();
  }

  private tellOptions(): void {
    if (!this.channel) return;
    this.channel.set(Word.noDelay, this.noDelay ? 1 : 0);
    this.channel.set(Word.keepAlive, this.keepAlive ? 1 : 0);
    this.registry.bell(this.slot);
  }

  private finishWriting(): void {
    if (!this.channel) return;
    this.channel.set(Word.fin, 1);
    this.registry.bell(this.slot);
  }

  /** Moves the chunk in hand into the ring, as far as there is room. */
  private flush(): void {
    const w = this.pending;
    const channel = this.channel;
    if (!w || !channel) return;
    const error = channel.get(Word.error);
    if (error !== 0) {
      this.pending = null;
      w.done(socketError(error, 'write'));
      return;
    }
    let n = channel.toSend.write(w.chunk, w.at, w.chunk.length - w.at);
    w.at += n;
    if (w.at < w.chunk.length) {
      channel.set(Word.waits, 1);
      // the stack may have made room before it saw the flag
      const more = channel.toSend.write(w.chunk, w.at, w.chunk.length - w.at);
      w.at += more;
      n += more;
    }
    if (n > 0) {
      this.bytesWritten += n;
      this.active();
      this.registry.bell(this.slot);
    }
    if (w.at < w.chunk.length) return;
    channel.set(Word.waits, 0);
    this.pending = null;
    w.done();
  }

  /** Hands what is in the ring to the reader, as far as it asks, then the end or the error. */
  private fill(): void {
    const channel = this.channel;
    if (!channel || this.ended) return;
    // read before the ring: what the stack put in before it set them is then seen
    const eof = channel.get(Word.eof) !== 0;
    const error = channel.get(Word.error);
    const ring = channel.received;
    while (this.reading && ring.used() > 0) {
      const at = ring.readAt();
      const n = Math.min(ring.contiguousUsed(), READ_PIECE);
      const piece = Buffer.from(ring.bytes.subarray(at, at + n));
      ring.consumed(n);
      this.bytesRead += n;
      this.active();
      if (channel.get(Word.wantsRoom) !== 0) {
        channel.set(Word.wantsRoom, 0);
        this.registry.bell(this.slot);
      }
      this.reading = this.push(piece);
      if (this.channel !== channel) return;
    }
    if (ring.used() > 0) return;
    if (error !== 0) {
      this.ended = true;
      this.destroy(socketError(error, 'read'));
    } else if (eof) {
      this.ended = true;
      this.push(null);
      if (this.readableLength === 0) this.read(0);
    }
  }

  private active(): void {
    this.timer?.refresh();
  }
}

function familyOf(address: string): string {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}
