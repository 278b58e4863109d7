/** What the façades of one stack share, and what they owe each other. */
import type { SocketReply, SocketRequest } from './messages.js';

/** The way to the stack's thread, which the worker's host gives. */
export interface StackPort {
  post(request: SocketRequest): void;
  /** The other thread has something to look at. */
  wake(): void;
}

/** How a façade hears of its socket. */
export interface SlotUser {
  /** The stack rang: something in the channel changed. */
  onBell(): void;
  /** The stack has stopped, because it was asked to or because it failed. */
  onStackStopped(asked: boolean): void;
}

/** Whoever asked for something and waits for the answer. */
export interface Asker {
  onReply(reply: Exclude<SocketReply, { readonly op: 'bell' }>): void;
  onStackStopped(asked: boolean): void;
}

/** How many sockets can be in use from other threads at a time. */
export const SOCKET_SLOTS = 16384;

/** The part of `Sockets` that façades use. */
export interface Registry {
  ask(asker: Asker): number;
  forget(id: number): void;
  post(request: SocketRequest): void;
  attach(slot: number, user: SlotUser): void;
  detach(slot: number): void;
  /** Tells the stack that a channel changed. */
  bell(slot: number): void;
  readonly stopped: boolean;
}
