/** Bulk transfers between two hosts of a simulation, checked byte by byte: the stream's bytes are a function of their position. */
import { createHash, type Hash } from 'node:crypto';
import { IpAddress } from '../../stack/core/address.js';
import type { WireOptions } from '../../stack/link/memory-wire.js';
import { PcapLink } from '../../stack/link/pcap.js';
import { Poll, type StreamSocket } from '../../stack/socket/socket.js';
import { type Host, Simulation } from './simulation.js';

const CHUNK = 16384;
const EAGAIN = -11;

/** The stream's byte at a position: no short period, so that a shifted or repeated piece shows. */
function fill(into: Uint8Array, from: number, length: number, salt: number): void {
  for (let i = 0; i < length; i++) {
    let x = Math.imul((from + i) ^ salt, 0x9e3779b1);
    x ^= x >>> 15;
    into[i] = x & 255;
  }
}

/**
 * Sends `total` bytes and half-closes (negative: sends nothing; with `stays` too it leaves its half open); reads until end of stream,
 * comparing.
 */
export class Mover {
  sent = 0;
  received = 0;
  ended = false;
  error = 0;
  private readonly socket: StreamSocket;
  private readonly total: number;
  private readonly outSalt: number;
  private readonly inSalt: number;
  private readonly out = new Uint8Array(CHUNK);
  private readonly in = new Uint8Array(CHUNK);
  private readonly want = new Uint8Array(CHUNK);
  private outFrom = -1;
  private shut: boolean;

  constructor(socket: StreamSocket, total: number, outSalt: number, inSalt: number, stays = false) {
    this.shut = stays;
    this.socket = socket;
    this.total = total;
    this.outSalt = outSalt;
    this.inSalt = inSalt;
    socket.onReady = (bits) => this.ready(bits);
  }

  ready(bits: number): void {
    if (bits & (Poll.OUT | Poll.ERR)) this.push();
    if (bits & (Poll.IN | Poll.RDHUP | Poll.HUP | Poll.ERR)) this.pull();
  }

  private push(): void {
    if (this.total < 0) return;
    while (this.sent < this.total) {
      const from = this.sent - (this.sent % CHUNK);
      if (from !== this.outFrom) {
        fill(this.out, from, CHUNK, this.outSalt);
        this.outFrom = from;
      }
      const at = this.sent - from;
      const n = this.socket.send(this.out, at, Math.min(CHUNK - at, this.total - this.sent), 0);
      if (n === EAGAIN) return;
      if (n < 0) {
        this.error = n;
        return;
      }
      this.sent += n;
    }
    if (!this.shut) {
      this.shut = true;
      this.socket.shutdown(1);
    }
  }

  private pull(): void {
    while (!this.ended) {
      const n = this.socket.receive(this.in, 0, CHUNK, 0);
      if (n === EAGAIN) return;
      if (n < 0) {
        this.error = n;
        return;
      }
      if (n === 0) {
        this.ended = true;
        return;
      }
      fill(this.want, this.received, n, this.inSalt);
      for (let i = 0; i < n; i++) {
        if (this.in[i] !== this.want[i]) throw new Error(`byte ${this.received + i} is wrong`);
      }
      this.received += n;
    }
  }
}

export interface TransferResult {
  readonly sim: Simulation;
  readonly a: Host;
  readonly b: Host;
  readonly client: Mover;
  readonly server: Mover;
  /** SHA-256 of the pcap of A's end. */
  readonly pcap: string;
  readonly finished: boolean;
}

/** `bytes` each way over a wire, by one connection from A to B; both ends then close. Neighbours are resolved before faults begin. */
export function transfer(
  seed: number,
  bytes: number,
  options: WireOptions & { offloads?: boolean; coalesce?: boolean } = {},
): TransferResult {
  const sim = new Simulation(seed);
  const wire = sim.wire({ ...(options.mtu ? { mtu: options.mtu } : {}), both: { delayUs: 5000 } });
  const hash: Hash = createHash('sha256');
  const { offloads = false, coalesce = false } = options;
  const a = sim.host(new PcapLink(wire.a, (b) => hash.update(b)), { offloads, coalesce });
  const b = sim.host(wire.b, { mac: '02:00:00:00:00:02', addresses: ['10.99.0.2/24'], offloads, coalesce });
  const listener = b.stack.tcp(4);
  let server: Mover | null = null;
  listener.onReady = () => {
    const s = listener.accept();
    if (typeof s !== 'number') {
      server = new Mover(s, bytes, 2, 1);
      server.ready(s.poll());
    }
  };
  listener.bind(null, 7000);
  listener.listen(8);
  const socket = a.stack.tcp(4);
  const client = new Mover(socket, bytes, 1, 2);
  socket.connect(IpAddress.from('10.99.0.2'), 7000);
  sim.run(() => server !== null, 10_000_000);
  Object.assign(wire.ab.settings, options.both, options.ab);
  Object.assign(wire.ba.settings, options.both, options.ba);
  const done = () => client.ended && server!.ended && socket.unsent() === 0;
  const finished = sim.run(() => done() || client.error !== 0 || server!.error !== 0, 3_600_000_000);
  socket.close();
  sim.pass(1_000_000);
  return { sim, a, b, client, server: server!, pcap: hash.digest('hex'), finished };
}
