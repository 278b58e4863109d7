/**
 * The shared memory of one socket that is used from another thread: two rings and a few words, each with one writer. "User" is the thread
 * that holds the stream, "stack" the one that runs the stack. The memory is reserved whole; its pages cost nothing until data flows.
 */
import { ByteRing } from './ring.js';

/** Int32 words in front of the rings. The rings' positions take words 0, 16 (received) and 32, 48 (to send). */
export const Word = Object.freeze({
  /** Stack: the peer has ended its side, and everything before is in the ring. */
  eof: 64,
  /** Stack: errno that ended the socket, 0 without. */
  error: 65,
  /** Stack: it left data in the socket for want of room, ring when there is some. */
  wantsRoom: 66,
  /** User: no more will be written (shutdown). */
  fin: 80,
  /** User: done with the socket. What is in the ring to send still goes out. */
  close: 81,
  /** User: with `close`, end by RST and drop what is unsent. */
  abort: 82,
  /** User: something waits for room to write or for the fate of datagrams, ring when it changes. */
  waits: 83,
  /** User: TCP_NODELAY and SO_KEEPALIVE as they shall be, 0 or 1. */
  noDelay: 84,
  keepAlive: 85,
});
const HEADER_BYTES = 512;

export class Channel {
  readonly memory: SharedArrayBuffer;
  readonly words: Int32Array;
  /** From the network to the user. */
  readonly received: ByteRing;
  /** From the user to the network. */
  readonly toSend: ByteRing;

  constructor(memory: SharedArrayBuffer) {
    const capacity = (memory.byteLength - HEADER_BYTES) / 2;
    this.memory = memory;
    this.words = new Int32Array(memory, 0, HEADER_BYTES / 4);
    this.received = new ByteRing(memory, 0, HEADER_BYTES, capacity);
    this.toSend = new ByteRing(memory, 32, HEADER_BYTES + capacity, capacity);
  }

  /** @param capacity bytes of each ring, a power of two */
  static create(capacity: number): Channel {
    return new Channel(new SharedArrayBuffer(HEADER_BYTES + 2 * capacity));
  }

  get(word: number): number {
    return Atomics.load(this.words, word);
  }
  set(word: number, value: number): void {
    Atomics.store(this.words, word, value);
  }
}
