/**
 * The stack's end of all sockets that other threads use: answers their requests, and in each turn of the loop services those sockets that
 * something happened to. Much traffic on many sockets costs the other thread one wake-up a turn.
 */
import { IpAddress } from '../core/address.js';
import { Errno } from '../core/errno.js';
import { Doorbell } from '../socket/node/doorbell.js';
import type { PlainEndpoint, SocketReply, SocketRequest } from '../socket/node/messages.js';
import { SOCKET_SLOTS } from '../socket/node/registry.js';
import {
  type Endpoint,
  Ip6Opt,
  Level,
  Poll,
  So,
  type SocketBase,
  type SocketFactory,
  type StreamSocket,
} from '../socket/socket.js';
import type { Bridge, BridgeOwner } from './bridge.js';
import { DatagramBridge } from './datagram-bridge.js';
import { StreamBridge } from './stream-bridge.js';

/** A listener, or a connect under way. */
interface Waiting {
  readonly socket: StreamSocket;
  readonly listens: boolean;
}

export class SocketBridge implements BridgeOwner {
  private readonly factory: SocketFactory;
  private readonly fromUser: Doorbell;
  private readonly toUser: Doorbell;
  private readonly reply: (reply: SocketReply) => void;
  private readonly bridges: (Bridge | null)[] = [];
  private readonly freeSlots: number[] = [];
  private readonly waiting = new Map<number, Waiting>();
  private dirty: Bridge[] = [];
  private spare: Bridge[] = [];
  /** The user's thread is to be woken at the end of this turn. */
  private bell = false;
  /** Connections wait to be accepted until a slot is free. */
  private starved = false;
  private readonly ringFor = (slot: number): void => {
    const b = this.bridges[slot];
    if (b) this.queue(b);
  };

  constructor(
    factory: SocketFactory,
    memory: { readonly toStack: SharedArrayBuffer; readonly toUser: SharedArrayBuffer },
    reply: (reply: SocketReply) => void,
  ) {
    this.factory = factory;
    this.fromUser = new Doorbell(memory.toStack);
    this.toUser = new Doorbell(memory.toUser);
    this.reply = reply;
  }

  /** Sockets that are open for other threads, listeners and connects under way included. */
  get open(): number {
    let n = this.waiting.size;
    for (const b of this.bridges) if (b) n++;
    return n;
  }

  /** One turn. True when there is more to do at once. */
  service(): boolean {
    this.fromUser.collect(this.ringFor);
    const list = this.dirty;
    this.dirty = this.spare;
    this.spare = list;
    for (const b of list) {
      b.queued = false;
      if (this.bridges[b.slot] === b) b.service();
    }
    list.length = 0;
    if (this.starved && this.freeSlots.length > 0) {
      this.starved = false;
      for (const [id, w] of this.waiting) if (w.listens) this.accept(id, w.socket);
    }
    if (this.bell) {
      this.bell = false;
      this.reply({ op: 'bell' });
    }
    return this.dirty.length > 0 || this.fromUser.pending();
  }

  queue(bridge: Bridge): void {
    if (bridge.queued) return;
    bridge.queued = true;
    this.dirty.push(bridge);
  }

  tellUser(slot: number): void {
    if (this.toUser.ring(slot)) this.bell = true;
  }

  remove(bridge: Bridge): void {
    if (this.bridges[bridge.slot] !== bridge) return;
    this.bridges[bridge.slot] = null;
    this.freeSlots.push(bridge.slot);
  }

  /** Ends every socket. */
  close(): void {
    for (const w of this.waiting.values()) {
      w.socket.onReady = () => {};
      w.socket.close();
    }
    this.waiting.clear();
    for (const b of [...this.bridges]) b?.close();
  }

  request(r: SocketRequest): void {
    this.service(); // what the other thread did to its sockets before it asked: a port it closed is free for its next bind
    if (r.op === 'connect') this.connect(r.id, r.to, r.from);
    else if (r.op === 'listen') this.listen(r.id, r.at, r.backlog, r.only6);
    else if (r.op === 'bind') this.bind(r.id, r.at, r.only6);
    else this.cancel(r.id);
  }

  private connect(id: number, to: PlainEndpoint, from: PlainEndpoint | undefined): void {
    const address = IpAddress.parse(to.address);
    if (!address) {
      this.failed(id, Errno.EINVAL, 'connect');
      return;
    }
    const socket = this.factory.tcp(address.family);
    if (from) {
      const error = socket.bind(from.address === '' ? null : (IpAddress.parse(from.address) ?? null), from.port);
      if (error < 0) {
        this.abandon(socket, id, -error, 'bind');
        return;
      }
    }
    const error = socket.connect(address, to.port);
    if (error < 0 && error !== -Errno.EINPROGRESS) {
      this.abandon(socket, id, -error, 'connect');
      return;
    }
    this.waiting.set(id, { socket, listens: false });
    socket.onReady = () => this.connected(id, socket, to);
    if (error === 0 || (socket.poll() & (Poll.OUT | Poll.ERR)) !== 0) this.connected(id, socket, to);
  }

  private connected(id: number, socket: StreamSocket, to: PlainEndpoint): void {
    const bits = socket.poll();
    if ((bits & (Poll.OUT | Poll.ERR | Poll.HUP)) === 0) return;
    this.waiting.delete(id);
    const error = socket.getOption(Level.SOCKET, So.ERROR);
    if ('value' in error && typeof error.value === 'number' && error.value !== 0) {
      this.abandon(socket, id, error.value, 'connect');
      return;
    }
    const slot = this.takeSlot();
    if (slot < 0) {
      this.abandon(socket, id, Errno.ENOBUFS, 'connect');
      return;
    }
    const b = new StreamBridge(socket, slot, this);
    this.bridges[slot] = b;
    const local = plain(socket.localName());
    this.reply({ op: 'opened', id, slot, memory: b.channel.memory, local, remote: to });
    this.queue(b);
  }

  private listen(id: number, at: PlainEndpoint, backlog: number, only6: boolean): void {
    const address = IpAddress.parse(at.address);
    if (!address) {
      this.failed(id, Errno.EINVAL, 'listen');
      return;
    }
    const socket = this.factory.tcp(address.family);
    socket.setOption(Level.SOCKET, So.REUSEADDR, 1); // as node:net does
    if (only6) socket.setOption(Level.IPV6, Ip6Opt.V6ONLY, 1);
    const bound = socket.bind(address.isAny() ? null : address, at.port);
    if (bound < 0) {
      this.abandon(socket, id, -bound, 'listen');
      return;
    }
    const error = socket.listen(backlog);
    if (error < 0) {
      this.abandon(socket, id, -error, 'listen');
      return;
    }
    this.waiting.set(id, { socket, listens: true });
    socket.onReady = () => this.accept(id, socket);
    this.reply({ op: 'listening', id, local: plain(socket.localName()) });
  }

  private accept(id: number, listener: StreamSocket): void {
    for (;;) {
      const slot = this.takeSlot();
      if (slot < 0) {
        this.starved = true; // the accept queue fills, and counts what overflows
        return;
      }
      const socket = listener.accept();
      if (typeof socket === 'number') {
        this.freeSlots.push(slot);
        return;
      }
      const b = new StreamBridge(socket, slot, this);
      this.bridges[slot] = b;
      const local = plain(socket.localName());
      this.reply({ op: 'accepted', id, slot, memory: b.channel.memory, local, remote: plain(socket.peerName()) });
      this.queue(b);
    }
  }

  private bind(id: number, at: PlainEndpoint, only6: boolean): void {
    const address = IpAddress.parse(at.address);
    if (!address) {
      this.failed(id, Errno.EINVAL, 'bind');
      return;
    }
    const socket = this.factory.udp(address.family);
    if (only6) socket.setOption(Level.IPV6, Ip6Opt.V6ONLY, 1);
    const error = socket.bind(address.isAny() ? null : address, at.port);
    if (error < 0) {
      this.abandon(socket, id, -error, 'bind');
      return;
    }
    const slot = this.takeSlot();
    if (slot < 0) {
      this.abandon(socket, id, Errno.ENOBUFS, 'bind');
      return;
    }
    const b = new DatagramBridge(socket, slot, this);
    this.bridges[slot] = b;
    this.reply({ op: 'opened', id, slot, memory: b.channel.memory, local: plain(socket.localName()), remote: null });
    this.queue(b);
  }

  private cancel(id: number): void {
    const w = this.waiting.get(id);
    if (!w) return;
    this.waiting.delete(id);
    w.socket.onReady = () => {};
    w.socket.close();
  }

  private abandon(socket: SocketBase, id: number, errno: number, call: string): void {
    socket.onReady = () => {};
    socket.close();
    this.failed(id, errno, call);
  }

  private failed(id: number, errno: number, call: string): void {
    this.reply({ op: 'failed', id, errno, call });
  }

  /** A free slot, or -1. */
  private takeSlot(): number {
    const slot = this.freeSlots.pop();
    if (slot !== undefined) return slot;
    if (this.bridges.length >= SOCKET_SLOTS) return -1;
    this.bridges.push(null);
    return this.bridges.length - 1;
  }
}

function plain(e: Endpoint | null): PlainEndpoint {
  return e ? { address: e.address.toString(), port: e.port } : { address: '', port: 0 };
}
