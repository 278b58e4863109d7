import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { derive, SequenceSource } from '../../../stack/tcp/isn.js';

const secret = Uint8Array.from({ length: 16 }, (_, i) => i * 7);
const a = IpAddress.from('10.0.0.1');
const b = IpAddress.from('10.0.0.2');
const six = (n: number) => IpAddress.from(`fd00::${n}`);

describe('SequenceSource', () => {
  const s = new SequenceSource(secret);

  it('rises by one every 4 µs for one 4-tuple (RFC 6528)', () => {
    const at = (us: number) => s.initialSequence(a, 80, b, 4000, us);
    expect((at(4_000_000) - at(0)) >>> 0).toBe(1_000_000);
    expect(at(3)).toBe(at(0));
  });

  it('is another number for every part of the 4-tuple, family and secret', () => {
    const other = new SequenceSource(secret.map((x) => x ^ 1));
    const all = [
      s.initialSequence(a, 80, b, 4000, 0),
      s.initialSequence(a, 81, b, 4000, 0),
      s.initialSequence(a, 80, b, 4001, 0),
      s.initialSequence(b, 80, a, 4000, 0),
      s.initialSequence(a, 80, IpAddress.from('10.0.0.3'), 4000, 0),
      s.initialSequence(six(1), 80, six(2), 4000, 0),
      s.initialSequence(six(2), 80, six(1), 4000, 0),
      other.initialSequence(a, 80, b, 4000, 0),
    ];
    expect(new Set(all).size).toBe(all.length);
  });

  it('offsets timestamps by the two addresses alone', () => {
    expect(s.timestampOffset(a, b)).toBe(s.timestampOffset(a, b));
    expect(s.timestampOffset(a, b)).not.toBe(s.timestampOffset(b, a));
    expect(s.timestampOffset(six(1), six(2))).not.toBe(s.timestampOffset(six(1), six(3)));
  });

  it('starts the search for a port at another place for every remote end', () => {
    const starts = [1, 2, 3, 4, 5].map((port) => s.portOffset(a, b, port));
    expect(new Set(starts).size).toBe(5);
  });

  it('derives an independent key for each use', () => {
    expect(derive(secret, 1)).not.toEqual(derive(secret, 2));
    expect(derive(secret, 1)).toEqual(derive(secret, 1));
  });
});
