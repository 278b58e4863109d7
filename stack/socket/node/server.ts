/** A listener as node:net's Server: 'listening', 'connection', 'error', 'close'. */
import { EventEmitter } from 'node:events';
import { socketError, stoppedError } from './errors.js';
import type { PlainEndpoint, SocketReply } from './messages.js';
import type { Asker, Registry } from './registry.js';
import { StackSocket } from './stream.js';

export interface ListenOptions {
  readonly port: number;
  /** An address of the stack; absent: all of IPv4. */
  readonly host?: string;
  readonly backlog?: number;
  /** On `::`: leave IPv4 to others, which a socket of IPv6 takes too. */
  readonly ipv6Only?: boolean;
}

export class StackServer extends EventEmitter implements Asker {
  /** For accepted sockets. */
  allowHalfOpen = false;
  private readonly registry: Registry;
  private id = -1;
  private wanted: PlainEndpoint | null = null;
  private bound: PlainEndpoint | null = null;

  constructor(registry: Registry) {
    super();
    this.registry = registry;
  }

  get listening(): boolean {
    return this.bound !== null;
  }

  listen(options: ListenOptions, onListening?: () => void): this {
    if (onListening) this.once('listening', onListening);
    if (this.registry.stopped) {
      queueMicrotask(() => this.emit('error', stoppedError('listen')));
      return this;
    }
    this.wanted = { address: options.host ?? '0.0.0.0', port: options.port };
    this.id = this.registry.ask(this);
    const { backlog = 511, ipv6Only: only6 = false } = options;
    this.registry.post({ op: 'listen', id: this.id, at: this.wanted, backlog, only6 });
    return this;
  }

  /** Takes no more connections; those that are there live on. */
  close(onClose?: () => void): this {
    if (onClose) this.once('close', onClose);
    if (this.id >= 0) {
      this.registry.post({ op: 'cancel', id: this.id });
      this.registry.forget(this.id);
    }
    this.id = -1;
    this.bound = null;
    queueMicrotask(() => this.emit('close'));
    return this;
  }

  address(): { address: string; port: number; family: string } | null {
    return this.bound && { ...this.bound, family: this.bound.address.includes(':') ? 'IPv6' : 'IPv4' };
  }

  onReply(reply: Exclude<SocketReply, { readonly op: 'bell' }>): void {
    if (reply.op === 'listening') {
      this.bound = reply.local;
      this.emit('listening');
    } else if (reply.op === 'failed') {
      this.registry.forget(this.id);
      this.id = -1;
      this.emit('error', socketError(reply.errno, reply.call, this.wanted ?? undefined));
    } else if (reply.op === 'accepted') {
      this.emit('connection', StackSocket.accepted(this.registry, reply, { allowHalfOpen: this.allowHalfOpen }));
    }
  }

  onStackStopped(): void {
    this.id = -1;
    if (this.bound) queueMicrotask(() => this.emit('close'));
    this.bound = null;
  }
}
