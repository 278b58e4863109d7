/**
 * A sender, a receiver and a bottleneck between them, in virtual time: what congestion control is judged by. The path is perfect while
 * connections are made; its rate, queue and faults begin afterwards.
 */
import { IpAddress } from '../../stack/core/address.js';
import type { Packet } from '../../stack/core/packet.js';
import type { WireSettings } from '../../stack/link/memory-wire.js';
import { Poll } from '../../stack/socket/socket.js';
import type { Connection } from '../../stack/tcp/connection.js';
import type { TcpSocket } from '../../stack/tcp/socket.js';
import { type Host, Simulation } from './simulation.js';

const CHUNK = 65536;
const PORT = 7000;
const FRAME_BITS = 1514 * 8;

export interface PathOptions {
  readonly seed?: number;
  /** One-way delay in both directions. */
  readonly delayUs: number;
  /** Towards the receiver. */
  readonly bottleneck?: Partial<WireSettings>;
  readonly sysctl?: Readonly<Record<string, string | number>>;
  /** The bottleneck marks what is ECN-capable (RFC 3168 5) when so many frames wait, as data centre switches do. */
  readonly markFrom?: number;
  /** The receiver's. */
  readonly receiver?: Readonly<Record<string, string | number>>;
  readonly offloads?: boolean;
}

/** One connection from the sender to the receiver. It sends without end unless it is told how much. */
export class Flow {
  readonly socket: TcpSocket;
  readonly connection: Connection;
  received = 0;
  /** Bytes that it may still send. */
  left: number;
  private readonly data = new Uint8Array(CHUNK);

  constructor(socket: TcpSocket, left: number) {
    this.socket = socket;
    this.connection = socket.connection!;
    this.left = left;
    socket.onReady = (bits) => {
      if (bits & Poll.OUT) this.push();
    };
  }

  /** Sends so much more. */
  send(bytes: number): void {
    this.left += bytes;
    this.push();
  }
  private push(): void {
    while (this.left > 0) {
      const n = this.socket.send(this.data, 0, Math.min(CHUNK, this.left), 0);
      if (n <= 0) return;
      this.left -= n;
    }
  }
}

export class Path {
  readonly sim: Simulation;
  readonly wire;
  readonly sender: Host;
  readonly receiver: Host;
  private readonly options: PathOptions;
  private readonly flows = new Map<number, Flow>();

  constructor(options: PathOptions) {
    this.options = options;
    this.sim = new Simulation(options.seed ?? 1);
    this.wire = this.sim.wire({ both: { delayUs: options.delayUs } });
    const { offloads = false } = options;
    this.sender = this.sim.host(this.wire.a, { sysctl: options.sysctl, offloads });
    this.receiver = this.sim.host(this.wire.b, {
      mac: '02:00:00:00:00:02',
      addresses: ['10.99.0.2/24'],
      sysctl: options.receiver,
    });
    this.listen();
  }

  private listen(): void {
    const listener = this.receiver.stack.tcp(4);
    const into = new Uint8Array(CHUNK);
    listener.onReady = () => {
      for (let s = listener.accept(); typeof s !== 'number'; s = listener.accept()) {
        const peer = s;
        const read = () => {
          for (let n = peer.receive(into, 0, CHUNK, 0); n > 0; n = peer.receive(into, 0, CHUNK, 0)) {
            this.flows.get(peer.peerName()!.port)!.received += n;
          }
        };
        peer.onReady = read;
        read();
      }
    };
    listener.bind(null, PORT);
    listener.listen(64);
  }

  /** Connects; `prepare` sets options before. The bottleneck begins to work when the connection is there. */
  flow(left: number = Number.POSITIVE_INFINITY, prepare: (s: TcpSocket) => void = () => {}): Flow {
    const socket = this.sender.stack.tcp(4) as TcpSocket;
    prepare(socket);
    socket.connect(IpAddress.from('10.99.0.2'), PORT);
    const flow = new Flow(socket, 0);
    this.flows.set(socket.localName()!.port, flow);
    this.sim.run(() => (socket.poll() & Poll.OUT) !== 0, 10_000_000);
    this.sim.pass(this.options.delayUs); // its last ACK arrives
    Object.assign(this.wire.ab.settings, this.options.bottleneck);
    const { markFrom } = this.options;
    if (markFrom !== undefined && this.wire.ab.settings.rate > 0) {
      this.wire.ab.settings.lose = (p) => {
        if (this.queue >= markFrom) markCe(p);
        return false;
      };
    }
    if (left > 0) flow.send(left);
    return flow;
  }

  /** Lets time pass, and looks every `everyUs`. */
  watch(us: number, everyUs: number, look: () => void): void {
    for (let t = 0; t < us; t += everyUs) {
      this.sim.pass(Math.min(everyUs, us - t));
      look();
    }
  }

  /** Frames that wait at the bottleneck: those under way but for those that propagate. */
  get queue(): number {
    const { rate } = this.wire.ab.settings;
    const propagating = rate > 0 ? (rate * this.options.delayUs) / 1e6 / FRAME_BITS : 0;
    return Math.max(0, Math.round(this.wire.ab.inFlight - propagating));
  }
}

/** Congestion Experienced into the IPv4 header of a frame that is ECN-capable, and its checksum made right (RFC 1624). */
export function markCe(p: Packet): boolean {
  const at = p.data + 14;
  const was = p.view.getUint16(at);
  if ((was & 3) === 0) return false;
  p.view.setUint16(at, was | 3);
  const sum = (~p.view.getUint16(at + 10) & 0xffff) + (~was & 0xffff) + (was | 3);
  p.view.setUint16(at + 10, ~((sum & 0xffff) + (sum >>> 16)) & 0xffff);
  return true;
}
