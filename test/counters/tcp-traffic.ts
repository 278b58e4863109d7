/** Random TCP traffic for conservation runs: connects, transfers both ways, half-closes, aborts, closed ports, on a wire that loses and damages. */
import { below } from '../../stack/core/random.js';
import { Level, Poll, So, type StreamSocket } from '../../stack/socket/socket.js';
import type { Traffic, World } from './conservation.js';

const buffer = new Uint8Array(65536).fill(0xa5);
const FIRST_PORT = 6000;
const PORTS = 3;
/** Long enough for every retransmission to end and TIME-WAIT to pass. */
const END_US = 1_200_000_000;

/** One end of a connection: sends so many bytes, reads what comes, then closes in one of several ways. */
class Talker {
  private readonly socket: StreamSocket;
  private left: number;
  private readonly manner: number;
  private done = false;

  constructor(socket: StreamSocket, world: World) {
    this.socket = socket;
    this.left = below(world.random, 4) === 0 ? 0 : below(world.random, 40_000);
    this.manner = below(world.random, 8);
    socket.onReady = (bits) => this.ready(bits);
    this.ready(socket.poll());
  }

  private ready(bits: number): void {
    if (this.done) return;
    if (bits & Poll.ERR) {
      this.close();
      return;
    }
    while (this.left > 0) {
      const n = this.socket.send(buffer, 0, Math.min(this.left, buffer.length), 0);
      if (n < 0) break;
      this.left -= n;
      if (this.left === 0) this.sentAll();
    }
    while (!this.done) {
      const n = this.socket.receive(buffer, 0, 8192, 0);
      if (n === 0 && (bits & (Poll.RDHUP | Poll.HUP)) !== 0) this.close();
      if (n <= 0) return;
    }
  }

  private sentAll(): void {
    if (this.manner === 0) {
      this.socket.setOption(Level.SOCKET, So.LINGER, [1, 0]);
      this.close(); // RST
    } else if (this.manner < 4) this.socket.shutdown(1);
    else if (this.manner === 4) this.close();
  }

  close(): void {
    if (this.done) return;
    this.done = true;
    this.socket.close();
  }
}

export const tcpTraffic: Traffic = (world) => {
  const { sim, random } = world;
  const ends = [world.a, world.b] as const;
  const talkers: Talker[] = [];
  const listeners: StreamSocket[] = [];
  for (const e of ends) {
    for (let i = 0; i < PORTS; i++) {
      if (below(random, 3) === 0) continue; // a closed port
      const l = e.host.stack.tcp(4);
      l.bind(null, FIRST_PORT + i);
      l.listen(1 + below(random, 4));
      const accept = () => {
        for (let s = l.accept(); typeof s !== 'number'; s = l.accept()) talkers.push(new Talker(s, world));
      };
      l.onReady = accept;
      listeners.push(l);
    }
  }
  for (let n = 2 + below(random, 6); n > 0; n--) {
    const side = below(random, 2);
    const s = ends[side]!.host.stack.tcp(4);
    s.connect(ends[1 - side]!.address, FIRST_PORT + below(random, PORTS));
    talkers.push(new Talker(s, world));
    sim.pass(below(random, 200_000));
  }
  sim.pass(below(random, 5_000_000));
  world.checkSums();
  if (below(random, 3) === 0) for (const l of listeners.splice(0)) l.close();
  sim.pass(30_000_000);
  world.checkSums();
  for (const t of talkers) t.close();
  for (const l of listeners) l.close();
  sim.pass(END_US);
};
