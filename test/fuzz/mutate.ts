/** Mutations of octet strings: what a hostile or broken sender does to a frame or a datagram. Seeded. */
import { below, type Random } from '../../stack/core/random.js';
import { type Bytes, bytes } from '../support/frames.js';

const INTERESTING = [0, 1, 0x7f, 0x80, 0xff, 0x10, 0x45, 0x06, 0x11];

function flip(b: Bytes, random: Random): Bytes {
  const out = b.slice();
  for (let n = 1 + below(random, 4); n > 0 && out.length > 0; n--) out[below(random, out.length)]! ^= 1 << below(random, 8);
  return out;
}
function overwrite(b: Bytes, random: Random): Bytes {
  const out = b.slice();
  for (let n = 1 + below(random, 4); n > 0 && out.length > 0; n--)
    out[below(random, out.length)] = INTERESTING[below(random, INTERESTING.length)]!;
  return out;
}
const cut = (b: Bytes, random: Random): Bytes => b.slice(0, below(random, b.length + 1));
const extend = (b: Bytes, random: Random): Bytes => bytes(b, noise(random, below(random, 200)));
function repeat(b: Bytes, random: Random): Bytes {
  const from = below(random, b.length);
  const piece = b.slice(from, from + 1 + below(random, 16));
  return bytes(b.slice(0, from), piece, b.slice(from));
}
function remove(b: Bytes, random: Random): Bytes {
  const from = below(random, b.length);
  return bytes(b.slice(0, from), b.slice(from + 1 + below(random, 8)));
}

export function noise(random: Random, length: number): Bytes {
  return Uint8Array.from({ length }, () => random.u32() & 255);
}

const MUTATIONS = [flip, flip, overwrite, overwrite, cut, extend, repeat, remove];

/** One to three mutations. */
export function mutate(b: Bytes, random: Random): Bytes {
  let out = b;
  for (let n = 1 + below(random, 3); n > 0 && out.length > 0; n--) out = MUTATIONS[below(random, MUTATIONS.length)]!(out, random);
  return out;
}
