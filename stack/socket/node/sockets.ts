/**
 * Sockets of a stack that runs on another thread, in the shapes that Node users know: `connect` and `createServer` give Duplex streams as
 * node:net does, `createSocket` a datagram socket as node:dgram does. They live on the thread that made this object.
 *
 * Bytes go through channels in shared memory, wishes and news through messages; a doorbell for each direction wakes the other thread once
 * for however much there is to do.
 */
import { DatagramSocket } from './datagram.js';
import { Doorbell } from './doorbell.js';
import type { SocketReply, SocketRequest } from './messages.js';
import { type Asker, type Registry, type SlotUser, SOCKET_SLOTS, type StackPort } from './registry.js';
import { StackServer } from './server.js';
import { type ConnectOptions, StackSocket } from './stream.js';

export class Sockets implements Registry {
  /** Both doorbells' memory, for the worker. */
  readonly memory: { readonly toStack: SharedArrayBuffer; readonly toUser: SharedArrayBuffer };
  private readonly toStack: Doorbell;
  private readonly toUser: Doorbell;
  private readonly port: StackPort;
  private readonly askers = new Map<number, Asker>();
  private readonly users = new Map<number, SlotUser>();
  private nextId = 1;
  private isStopped = false;

  constructor(port: StackPort) {
    this.port = port;
    this.memory = { toStack: Doorbell.memory(SOCKET_SLOTS), toUser: Doorbell.memory(SOCKET_SLOTS) };
    this.toStack = new Doorbell(this.memory.toStack);
    this.toUser = new Doorbell(this.memory.toUser);
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

  createSocket(type: 'udp4' | 'udp6', onMessage?: Parameters<DatagramSocket['onMessage']>[0]): DatagramSocket {
    const s = new DatagramSocket(this, type);
    if (onMessage) s.onMessage(onMessage);
    return s;
  }

  /** A message of the stack's thread. */
  deliver(reply: SocketReply): void {
    if (reply.op === 'bell') {
      this.toUser.collect((slot) => this.users.get(slot)?.onBell());
      return;
    }
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
    this.port.post(request);
  }
  attach(slot: number, user: SlotUser): void {
    this.users.set(slot, user);
  }
  detach(slot: number): void {
    this.users.delete(slot);
  }
  bell(slot: number): void {
    if (this.toStack.ring(slot)) this.port.wake();
  }
}
