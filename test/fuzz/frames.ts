/**
 * Frames against one host in virtual time: valid ones, mutated ones, noise, and mutated ones with their checksums put right so that they
 * reach the layers behind. The host runs all services and its sockets stay in use.
 */
import { below, chance, type Random, SeededRandom } from '../../stack/core/random.js';
import {
  arp,
  BROADCAST_MAC,
  type Bytes,
  bytes,
  checksum,
  EtherType,
  ethernet,
  filler,
  icmp,
  ipv4,
  Proto,
  TcpFlag,
  tcp,
  u16,
  u32,
  udp,
} from '../support/frames.js';
import { expectSums } from '../support/ledger.js';
import type { RawPeer } from '../support/raw-peer.js';
import { type Host, hostAndPeer, type Simulation } from '../support/simulation.js';
import { mutate, noise } from './mutate.js';

const ME = '10.99.0.2';
const HOST = '10.99.0.1';
const MY_MAC = '02:00:00:00:00:02';
const HOST_MAC = '02:00:00:00:00:01';
const PORTS = [7, 9, 13, 19, 5555];

/** Puts IPv4 and transport checksums right, as far as the frame still is one. */
export function repair(frame: Bytes): Bytes {
  if (frame.length < 34 || ((frame[12]! << 8) | frame[13]!) !== EtherType.ipv4) return frame;
  const out = frame.slice();
  const header = (out[14]! & 15) * 4;
  if (header < 20 || out.length < 14 + header) return out;
  out.set([0, 0], 24);
  out.set(u16(checksum(out.subarray(14, 14 + header))), 24);
  const total = Math.min((out[16]! << 8) | out[17]!, out.length - 14);
  const body = out.subarray(14 + header, 14 + Math.max(total, header));
  const at = { 1: 2, 6: 16, 17: 6 }[out[23]!];
  if (at === undefined || body.length < at + 2) return out;
  body.set([0, 0], at);
  const pseudo = out[23] === 1 ? new Uint8Array(0) : bytes(out.subarray(26, 34), [0, out[23]!], u16(body.length));
  body.set(u16(checksum(pseudo, body)), at);
  return out;
}

/** Valid traffic, grown from what the host answers, so that sequence numbers are at times the right ones. */
export class Fuzzer {
  readonly sim: Simulation;
  readonly host: Host;
  private readonly peer: RawPeer;
  private readonly random: Random;
  private readonly seen: { sport: number; dport: number; seq: number; ack: number }[] = [];
  frames = 0;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    const { sim, host, peer } = hostAndPeer({ seed, maxRows: 512, offloads: true, coalesce: (seed & 1) === 1 });
    this.sim = sim;
    this.host = host;
    this.peer = peer;
    for (const port of [7, 9, 19]) this.serve(port);
  }

  private serve(port: number): void {
    const listener = this.host.stack.tcp(4);
    const buffer = new Uint8Array(4096);
    listener.onReady = () => {
      for (let s = listener.accept(); typeof s !== 'number'; s = listener.accept()) {
        const socket = s;
        socket.onReady = () => {
          const n = socket.receive(buffer, 0, buffer.length, 0);
          if (n === 0 || (n < 0 && n !== -11)) socket.close();
          else if (n > 0 && port !== 9) socket.send(buffer, 0, n, 0);
        };
        socket.onReady(socket.poll());
      }
    };
    listener.bind(null, port);
    listener.listen(16);
    const u = this.host.stack.udp(4);
    u.bind(null, port);
  }

  private pick<T>(xs: readonly T[]): T {
    return xs[below(this.random, xs.length)]!;
  }

  private segment(): Bytes {
    const known = chance(this.random, 0.7) && this.seen.length > 0 ? this.pick(this.seen) : undefined;
    const flags = this.pick([
      TcpFlag.SYN,
      TcpFlag.ACK,
      TcpFlag.ACK,
      TcpFlag.ACK | TcpFlag.PSH,
      TcpFlag.ACK | TcpFlag.FIN,
      TcpFlag.RST,
      TcpFlag.RST | TcpFlag.ACK,
      TcpFlag.SYN | TcpFlag.ACK,
      below(this.random, 512),
    ]);
    const options = this.pick([
      new Uint8Array(0),
      bytes([2, 4], u16(1460), [4, 2, 1, 1], [1, 3, 3, 7]),
      bytes([1, 1, 8, 10], u32(this.random.u32()), u32(this.random.u32())),
      bytes([1, 1, 5, 10], u32(known?.ack ?? 0), u32((known?.ack ?? 0) + 100)),
      noise(this.random, 4 * below(this.random, 10)),
    ]);
    const jitter = chance(this.random, 0.5) ? 0 : below(this.random, 3000) - 1500;
    const f = {
      src: ME,
      dst: HOST,
      sport: known?.sport ?? 40000 + below(this.random, 40),
      dport: known?.dport ?? this.pick(PORTS),
      seq: ((known?.seq ?? this.random.u32()) + jitter) >>> 0,
      ack: ((known?.ack ?? this.random.u32()) + (chance(this.random, 0.8) ? 0 : below(this.random, 100000))) >>> 0,
      flags,
      window: below(this.random, 65536),
      options,
    };
    const data = filler(chance(this.random, 0.5) ? 0 : below(this.random, 1400));
    return ipv4({ src: ME, dst: HOST, protocol: Proto.tcp }, tcp(f, data));
  }

  private datagram(): Bytes {
    const f = { src: ME, dst: HOST, sport: 5000 + below(this.random, 10), dport: this.pick(PORTS) };
    const d = udp(f, filler(below(this.random, 1400)));
    if (chance(this.random, 0.7)) return ipv4({ src: ME, dst: HOST, protocol: Proto.udp }, d);
    const offset = 8 * below(this.random, 500);
    return ipv4({ src: ME, dst: HOST, protocol: Proto.udp, id: below(this.random, 8), mf: chance(this.random, 0.7), offset }, d);
  }

  private control(): Bytes {
    const type = this.pick([8, 0, 13, 3, 5, 11, 12, 4, 17, below(this.random, 256)]);
    const quoted = chance(this.random, 0.5)
      ? ipv4(
          { src: HOST, dst: ME, protocol: this.pick([6, 17, 1]) },
          bytes(u16(this.pick(PORTS)), u16(40000 + below(this.random, 40)), noise(this.random, 12)),
        )
      : noise(this.random, below(this.random, 60));
    return ipv4(
      { src: ME, dst: HOST, protocol: Proto.icmp },
      icmp(type, below(this.random, 17), bytes(noise(this.random, 4), quoted)),
    );
  }

  private valid(): Bytes {
    const roll = below(this.random, 100);
    if (roll < 55) return ethernet(HOST_MAC, MY_MAC, EtherType.ipv4, this.segment());
    if (roll < 75) return ethernet(HOST_MAC, MY_MAC, EtherType.ipv4, this.datagram());
    if (roll < 92) return ethernet(HOST_MAC, MY_MAC, EtherType.ipv4, this.control());
    const sender = chance(this.random, 0.8) ? ME : `10.99.0.${below(this.random, 256)}`;
    return ethernet(
      BROADCAST_MAC,
      MY_MAC,
      EtherType.arp,
      arp({ op: 1 + below(this.random, 2), senderMac: MY_MAC, sender, target: HOST }),
    );
  }

  private learn(): void {
    for (const f of this.peer.take()) {
      if (f.kind !== 'tcp') continue;
      const seq = f.ack;
      const ack = (f.seq + f.data.length + (f.flags & TcpFlag.SYN ? 1 : 0) + (f.flags & TcpFlag.FIN ? 1 : 0)) >>> 0;
      this.seen.push({ sport: f.dport, dport: f.sport, seq, ack });
      if (this.seen.length > 32) this.seen.shift();
    }
  }

  step(): void {
    const roll = below(this.random, 10);
    let frame = roll === 0 ? noise(this.random, below(this.random, 1600)) : this.valid();
    if (roll > 0 && roll < 6) frame = mutate(frame, this.random);
    if (roll > 0 && roll < 4) frame = repair(frame);
    if (frame.length >= 14 && frame.length <= 1514) {
      this.peer.sendFrame(frame);
      this.frames++;
    }
    this.sim.pass(below(this.random, chance(this.random, 0.02) ? 2_000_000 : 2000));
    this.learn();
  }

  /** Is the host still well? It answers a ping, and its books balance. */
  check(): void {
    this.sim.pass(5_000_000);
    this.peer.take();
    const echo = ethernet(
      HOST_MAC,
      MY_MAC,
      EtherType.ipv4,
      ipv4({ src: ME, dst: HOST, protocol: Proto.icmp }, icmp(8, 0, bytes([9, 9, 9, 9], filler(8)))),
    );
    this.peer.sendFrame(echo);
    this.sim.pass(5_000_000);
    const answered = this.peer.take().some((f) => f.kind === 'icmp' && f.type === 0 && f.data[0] === 9);
    if (!answered) throw new Error(`no answer to a ping after ${this.frames} frames`);
    expectSums(this.host.ledger);
  }
}
