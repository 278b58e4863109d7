/** Random UDP traffic for conservation runs: datagrams of all sizes, echoes, connected sockets, closed ports, sockets that come and go. */
import { below } from '../../stack/core/random.js';
import { type DatagramSocket, Poll, ReceivedFrom } from '../../stack/socket/socket.js';
import type { End, Traffic, World } from './conservation.js';

const buffer = new Uint8Array(65536).fill(0x5a);
const info = new ReceivedFrom();
const FIRST_PORT = 6000;
const PORTS = 4;

/** Reads whatever comes; an echo answers some of it. */
function reader(s: DatagramSocket, world: World, echo: boolean): void {
  s.onReady = (bits) => {
    if ((bits & (Poll.IN | Poll.ERR)) === 0) return;
    for (;;) {
      const n = s.receiveFrom(buffer, 0, buffer.length, 0, info);
      if (n < 0) {
        if ((s.poll() & Poll.IN) === 0) return;
        continue;
      }
      if (echo && below(world.random, 2)) s.sendTo(buffer, 0, n, 0, { address: info.address!, port: info.port });
    }
  };
}

function openSockets(world: World, e: End): DatagramSocket[] {
  const out: DatagramSocket[] = [];
  for (let i = 0; i < PORTS; i++) {
    if (below(world.random, 4) === 0) continue; // a closed port
    const s = e.host.stack.udp(4);
    s.bind(null, FIRST_PORT + i);
    reader(s, world, below(world.random, 2) === 0);
    out.push(s);
  }
  return out;
}

export const udpTraffic: Traffic = (world) => {
  const { sim, random } = world;
  const ends = [world.a, world.b] as const;
  const sockets = ends.map((e) => openSockets(world, e));
  const steps = 20 + below(random, 80);
  for (let i = 0; i < steps; i++) {
    const side = below(random, 2);
    const mine = sockets[side]!;
    const peer = ends[1 - side]!;
    const to = { address: peer.address, port: FIRST_PORT + below(random, PORTS) };
    const length = below(random, 3) === 0 ? below(random, 1473) : below(random, 100);
    const s = mine.length > 0 && below(random, 8) > 0 ? mine[below(random, mine.length)]! : passer(world, ends[side]!, mine);
    if (below(random, 10) === 0) s.connect(below(random, 3) === 0 ? null : to.address, to.port);
    s.sendTo(buffer, 0, length, 0, below(random, 2) ? to : null);
    if (mine.length > 0 && below(random, 20) === 0) mine.splice(below(random, mine.length), 1)[0]!.close();
    sim.pass(below(random, 10_000));
  }
  world.checkSums();
  sim.pass(5_000_000);
  if (below(random, 2)) for (const s of sockets.flat()) s.close();
};

function passer(world: World, e: End, mine: DatagramSocket[]): DatagramSocket {
  const s = e.host.stack.udp(4);
  reader(s, world, false);
  mine.push(s);
  return s;
}
