/**
 * Sockets of a stack that runs on another thread, in the shapes that Node users know: `connect` and `createServer` give Duplex streams as
 * node:net does, `createSocket` a datagram socket as node:dgram does. They live on the thread that made this object.
 *
 * Bytes go through channels in shared memory, wishes and news through messages; a doorbell for each direction wakes the other thread once
 * for however much there is to do.
 *
 * Several stacks may be one host: then each has its port, its doorbells and SOCKET_SLOTS slots, numbered through, and spread.ts says which
 * one is asked for a socket.
 */
import { type DatagramOptions, DatagramSocket } from './datagram.js';
import { Doorbell } from './doorbell.js';
import type { SocketReply, SocketRequest } from './messages.js';
import { type Asker, type Registry, type SlotUser, SOCKET_SLOTS, type StackPort } from './registry.js';
import { StackServer } from './server.js';
import { Spread } from './spread.js';
import { type ConnectOptions, StackSocket } from './stream.js';

export interface DoorbellMemory {
  readonly toStack: SharedArrayBuffer;
  readonly toUser: SharedArrayBuffer;
}

export class Sockets implements Registry {
  /** Both doorbells' memory, for the worker of each stack. */
  readonly memories: readonly DoorbellMemory[];
  private readonly toStack: readonly Doorbell[];
  private readonly toUser: readonly Doorbell[];
  private readonly ports: readonly StackPort[];
  /** Null with one stack. */
  private readonly spread: Spread | null;
  private readonly askers = new Map<number, Asker>();
  private readonly users = new Map<number, SlotUser>();
  private nextId = 1;
  private isStopped = false;

  constructor(...ports: readonly StackPort[]) {
    this.ports = ports;
    this.memories = ports.map(() => ({ toStack: Doorbell.memory(SOCKET_SLOTS), toUser: Doorbell.memory(SOCKET_SLOTS) }));
    this.toStack = this.memories.map((m) => new Doorbell(m.toStack));
    this.toUser = this.memories.map((m) => new Doorbell(m.toUser));
    this.spread = ports.length === 1 ? null : this.spreadOver(ports);
  }

  private spreadOver(ports: readonly StackPort[]): Spread {
    return new Spread({
      count: ports.length,
      post: (stack, request) => ports[stack]!.post(request),
      answer: (reply) => this.answer(reply),
      refuse: (reply) => StackSocket.refuse(this, reply),
    });
  }

  /** The doorbells of the only stack, or of the first. */
  get memory(): DoorbellMemory {
    return this.memories[0]!;
  }

  /** A stream to `to.host:to.port` (an address, not a name); errors as node:net's come as 'error'. */
  connect(to: ConnectOptions, onConnect?: () => void): StackSocket {
    const s = StackSocket.connecting(this, to);
    if (onConnect) s.once('connect', onConnect);
    return s;
  }

  /** A server that emits 'connection' with Duplex streams; `listen` starts it. */
  createServer(onConnection?: (socket: StackSocket) => void): StackServer {
    const s = new StackServer(this);
    if (onConnection) s.on('connection', onConnection);
    return s;
  }

  createSocket(
    options: DatagramOptions['type'] | DatagramOptions,
    onMessage?: Parameters<DatagramSocket['onMessage']>[0],
  ): DatagramSocket {
    const s = new DatagramSocket(this, typeof options === 'string' ? { type: options } : options);
    if (onMessage) s.onMessage(onMessage);
    return s;
  }

  /** A message of a stack's thread. */
  deliver(reply: SocketReply, stack = 0): void {
    const first = stack * SOCKET_SLOTS;
    if (reply.op === 'bell') {
      this.toUser[stack]!.collect((slot) => this.users.get(first + slot)?.onBell());
      return;
    }
    const known = 'slot' in reply && first > 0 ? { ...reply, slot: first + reply.slot } : reply;
    if (this.spread) this.spread.deliver(known);
    else this.answer(known);
  }

  private answer(reply: Exclude<SocketReply, { readonly op: 'bell' }>): void {
    const asker = this.askers.get(reply.id);
    if (asker) asker.onReply(reply);
    else if (reply.op === 'opened' || reply.op === 'accepted') StackSocket.refuse(this, reply);
  }

  /** The stack's thread is gone: every socket closes, with ENETDOWN when nobody had asked for the end. */
  stop(asked: boolean): void {
    this.isStopped = true;
    for (const a of [...this.askers.values()]) a.onStackStopped(asked);
    for (const u of [...this.users.values()]) u.onStackStopped(asked);
    this.askers.clear();
    this.users.clear();
  }

  get stopped(): boolean {
    return this.isStopped;
  }
  /** Sockets that are open now, for tests of what is left behind. */
  get open(): number {
    return this.users.size;
  }

  ask(asker: Asker): number {
    const id = this.nextId++;
    this.askers.set(id, asker);
    return id;
  }
  forget(id: number): void {
    this.askers.delete(id);
  }
  post(request: SocketRequest): void {
    if (this.spread) this.spread.post(request);
    else this.ports[0]!.post(request);
  }
  attach(slot: number, user: SlotUser): void {
    this.users.set(slot, user);
  }
  detach(slot: number): void {
    this.users.delete(slot);
  }
  bell(slot: number): void {
    const stack = Math.floor(slot / SOCKET_SLOTS);
    if (this.toStack[stack]!.ring(slot % SOCKET_SLOTS)) this.ports[stack]!.wake();
  }
}
