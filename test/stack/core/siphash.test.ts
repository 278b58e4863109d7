import { describe, expect, it } from 'vitest';
import { SipHash, swap32 } from '../../../stack/core/siphash.js';

const hex = (h: SipHash) => h.high.toString(16).padStart(8, '0') + h.low.toString(16).padStart(8, '0');

describe('SipHash', () => {
  it("gives the reference implementation's values (key 00…0f, input 00 01 02 …)", () => {
    const h = new SipHash(Uint8Array.from({ length: 16 }, (_, i) => i));
    for (let i = 0; i < 2; i++) h.words[i] = swap32(((i * 4) << 24) | ((i * 4 + 1) << 16) | ((i * 4 + 2) << 8) | (i * 4 + 3));
    const got = [0, 1, 2].map((words) => {
      h.hash(words);
      return hex(h);
    });
    expect(got).toEqual(['726fdb47dd0e0e31', 'cf2794e0277187b7', '93f5f5799a932462']);
  });

  it('depends on every word and on the key', () => {
    const a = new SipHash(new Uint8Array(16));
    const seen = new Set<string>();
    for (let word = 0; word < 4; word++) {
      a.words.fill(0);
      a.words[word] = 1;
      a.hash(4);
      seen.add(hex(a));
    }
    const b = new SipHash(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    b.words[0] = 1;
    b.hash(4);
    seen.add(hex(b));
    expect(seen.size).toBe(5);
  });
});
