/**
 * Sockets over several stacks that are one host (core/siblings.ts): which stack is asked for what.
 *
 * A listener is opened in all, since a connection lives where its SYN comes: first in stack 0, which picks the port when nobody chose it,
 * then by number in the others. It listens when all do, and connections that came before are told after that; when one refuses, it is
 * taken back everywhere. Other sockets live in one stack: with a local port that was chosen in that port's home, else in each in turn.
 */
import type { PlainEndpoint, SocketReply, SocketRequest } from './messages.js';

type Reply = Exclude<SocketReply, { readonly op: 'bell' }>;
type Accepted = Extract<SocketReply, { readonly op: 'accepted' }>;
type Listen = Extract<SocketRequest, { readonly op: 'listen' }>;

interface Listener {
  readonly request: Listen;
  /** Stacks that listen. */
  listening: number;
  local: PlainEndpoint | null;
  /** Connections that came before all listened. */
  readonly early: Accepted[];
}

export interface SpreadParts {
  readonly count: number;
  readonly post: (stack: number, request: SocketRequest) => void;
  /** To whoever asked. */
  readonly answer: (reply: Reply) => void;
  /** Nobody wants this connection any more. */
  readonly refuse: (reply: Accepted) => void;
}

export class Spread {
  private readonly parts: SpreadParts;
  private readonly listeners = new Map<number, Listener>();
  /** Where a connect or bind is under way. */
  private readonly where = new Map<number, number>();
  private next = 0;

  constructor(parts: SpreadParts) {
    this.parts = parts;
  }

  post(r: SocketRequest): void {
    const { post } = this.parts;
    if (r.op === 'listen') {
      this.listeners.set(r.id, { request: r, listening: 0, local: null, early: [] });
      post(0, r);
    } else if (r.op === 'cancel') this.cancel(r.id);
    else {
      const stack = this.stackFor((r.op === 'connect' ? r.from?.port : r.at.port) ?? 0);
      this.where.set(r.id, stack);
      post(stack, r);
    }
  }

  private stackFor(port: number): number {
    if (port !== 0) return port % this.parts.count;
    this.next = (this.next + 1) % this.parts.count;
    return this.next;
  }

  private cancel(id: number): void {
    const stack = this.where.get(id);
    this.where.delete(id);
    const l = this.listeners.get(id);
    this.listeners.delete(id);
    if (l) this.closeAll(id, l);
    else if (stack !== undefined) this.parts.post(stack, { op: 'cancel', id });
  }

  private closeAll(id: number, l: Listener): void {
    for (let k = 0; k < this.parts.count; k++) this.parts.post(k, { op: 'cancel', id });
    for (const a of l.early) this.parts.refuse(a);
  }

  deliver(reply: Reply): void {
    this.where.delete(reply.id);
    const l = this.listeners.get(reply.id);
    if (reply.op === 'listening') {
      if (l) this.listens(l, reply); // else it was taken back meanwhile
    } else if (!l) this.parts.answer(reply);
    else if (reply.op === 'failed') {
      this.listeners.delete(reply.id);
      this.closeAll(reply.id, l);
      this.parts.answer(reply);
    } else if (reply.op === 'accepted' && l.listening < this.parts.count) l.early.push(reply);
    else this.parts.answer(reply);
  }

  private listens(l: Listener, reply: Extract<SocketReply, { readonly op: 'listening' }>): void {
    const { count, post, answer } = this.parts;
    l.local ??= reply.local;
    if (++l.listening === 1) {
      const at = { address: l.request.at.address, port: l.local.port };
      for (let k = 1; k < count; k++) post(k, { ...l.request, at });
    }
    if (l.listening < count) return;
    answer({ ...reply, local: l.local });
    for (const a of l.early.splice(0)) answer(a);
  }
}
