/**
 * The law of several stacks that are one host: whatever comes, steered however badly, the sums over all and what goes out are those of a
 * single stack that is given the same frames.
 */
import { expect } from 'vitest';
import { SeededRandom } from '../../stack/core/random.js';
import { type Cluster, type Steering, totalsDelta } from './cluster.js';
import { TcpFlag } from './frames.js';
import { type Delta, expectSums } from './ledger.js';

export interface Outcome {
  readonly delta: Delta;
  readonly sent: readonly object[];
}

/** Frames anywhere, but a SYN where the kernel's hash of its flow would send it: to the same queue each time. */
export function anywhere(seed: number): Steering {
  const random = new SeededRandom(seed);
  return (p) => {
    const n = random.u32() >>> 4;
    const ip = p.data + 14;
    const type = p.view.getUint16(p.data + 12);
    const four = type === 0x800 && p.bytes[ip + 9] === 6 && (p.view.getUint16(ip + 6) & 0x3fff) === 0;
    const six = type === 0x86dd && p.bytes[ip + 6] === 6;
    const at = six ? ip + 40 : ip + (p.bytes[ip]! & 15) * 4;
    const syn = (four || six) && (p.bytes[at + 13]! & (TcpFlag.SYN | TcpFlag.ACK)) === TcpFlag.SYN;
    return syn ? (p.view.getUint16(at) ^ p.view.getUint16(at + 2)) >>> 0 : n;
  };
}

/** Plays a scene: how the sums moved, and what had been sent by then. The rows of each stack must give its own counters. */
export function outcomeOf(w: { readonly cluster: Cluster }, sent: readonly object[], scene: () => void): Outcome {
  const before = w.cluster.totals();
  scene();
  for (const l of w.cluster.ledgers) expectSums(l);
  return { delta: totalsDelta(before, w.cluster.totals()), sent };
}

/** The same on one stack, and on two, three and four that frames come to at random, under several seeds. */
export function sameOver(play: (count: number, steer: Steering) => Outcome): Outcome {
  const one = play(1, () => 0);
  for (const count of [2, 3, 4]) {
    for (const seed of [1, 2, 3]) expect(play(count, anywhere(seed))).toEqual(one);
  }
  return one;
}
