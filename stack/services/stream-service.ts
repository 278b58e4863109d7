/**
 * The services' TCP sides: one object a connection, driven by readiness alone. All of them read into one shared buffer, which is empty again
 * when a call returns; so an event allocates nothing, and an idle connection costs one small object. Each works until it is told EAGAIN,
 * since readiness is told by edges.
 */
import { Errno } from '../core/errno.js';
import { Msg, Poll, type StreamSocket } from '../socket/socket.js';
import { characters, PATTERN } from './characters.js';

const SCRATCH = new Uint8Array(65536);

abstract class StreamService {
  protected readonly socket: StreamSocket;
  private done = false;

  constructor(socket: StreamSocket) {
    this.socket = socket;
  }

  start(): void {
    this.socket.onReady = (bits) => this.ready(bits);
    this.ready(this.socket.poll());
  }

  private ready(bits: number): void {
    if (this.done) return;
    if (bits & Poll.ERR || !this.run()) this.finish();
  }

  /** Does what can be done now. False: the connection is to be closed. */
  protected abstract run(): boolean;

  private finish(): void {
    this.done = true;
    this.ended();
    this.socket.close();
  }
  /** The connection is about to be closed. */
  protected ended(): void {}

  /** Throws away what there is, uncopied. False at the end of the stream or an error. */
  protected drain(): boolean {
    for (;;) {
      const n = this.socket.receive(SCRATCH, 0, 0x7fffffff, Msg.TRUNC);
      if (n === -Errno.EAGAIN) return true;
      if (n <= 0) return false;
    }
  }
}

/** RFC 863. */
export class Discard extends StreamService {
  protected run(): boolean {
    return this.drain();
  }
}

/**
 * RFC 862. What was read is sent at once; what the socket does not take is kept in a buffer of its own, and nothing more is read until that
 * is gone. So the receive window closes on a peer that does not read its echo, and no connection holds more than one buffer.
 */
export class Echo extends StreamService {
  private held: Uint8Array | null = null;
  private at = 0;
  private end = 0;

  protected run(): boolean {
    for (;;) {
      if (this.held && !this.flush()) return this.held !== null;
      const n = this.socket.receive(SCRATCH, 0, SCRATCH.length, 0);
      if (n === -Errno.EAGAIN) return true;
      if (n <= 0) return false;
      const sent = this.socket.send(SCRATCH, 0, n, 0);
      if (sent < 0 && sent !== -Errno.EAGAIN) return false;
      if (sent < n) this.hold(Math.max(sent, 0), n);
    }
  }

  /** Sends what is held. True when all is gone; on an error, too, nothing is held any more. */
  private flush(): boolean {
    const held = this.held!;
    while (this.at < this.end) {
      const n = this.socket.send(held, this.at, this.end - this.at, 0);
      if (n === -Errno.EAGAIN) return false;
      if (n < 0) {
        this.release();
        return false;
      }
      this.at += n;
    }
    this.release();
    return true;
  }

  private hold(from: number, to: number): void {
    const held = spares.pop() ?? new Uint8Array(SCRATCH.length);
    held.set(SCRATCH.subarray(from, to));
    this.held = held;
    this.at = 0;
    this.end = to - from;
  }

  private release(): void {
    if (this.held && spares.length < MAX_SPARES) spares.push(this.held);
    this.held = null;
  }

  protected override ended(): void {
    this.release();
  }
}
/** Buffers of echo connections whose peers have read again. */
const spares: Uint8Array[] = [];
const MAX_SPARES = 16;

/** RFC 867: one line, then the end; input is thrown away. */
export class Daytime extends StreamService {
  private readonly text: Uint8Array;
  private at = 0;

  constructor(socket: StreamSocket, text: Uint8Array) {
    super(socket);
    this.text = text;
  }

  protected run(): boolean {
    this.drain();
    while (this.at < this.text.length) {
      const n = this.socket.send(this.text, this.at, this.text.length - this.at, 0);
      if (n === -Errno.EAGAIN) return true;
      if (n < 0) return false;
      this.at += n;
    }
    return false;
  }
}

/** Several super-frames at once: what is left of a call behind the last whole one leaves as a frame of its own, whatever its size. */
const SEND = 1 << 20;
const CHARACTERS = characters(SEND);

/** RFC 864: characters for as long as the peer takes them; input is thrown away. */
export class Chargen extends StreamService {
  private at = 0;
  private open = true;

  protected run(): boolean {
    if (this.open) this.open = this.drain();
    if (!this.open) return false;
    for (;;) {
      const n = this.socket.send(CHARACTERS, this.at, SEND, 0);
      if (n === -Errno.EAGAIN) return true;
      if (n < 0) return false;
      this.at = (this.at + n) % PATTERN;
    }
  }
}
