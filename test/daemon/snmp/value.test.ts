import { describe, expect, it } from 'vitest';
import { oid } from '../../../daemon/snmp/oid.js';
import { numberOf, octetsOf, type SmiType, smiTags } from '../../../daemon/snmp/value.js';

describe('values', () => {
  it.each<[SmiType, number, number]>([
    ['Counter32', 2 ** 32 + 5, 5],
    ['Counter32', 2 ** 32 - 1, 2 ** 32 - 1],
    ['Counter32', 2 ** 32, 0],
    ['Counter32', -1, 2 ** 32 - 1],
    ['Counter32', 2 ** 53 - 1, 2 ** 32 - 1],
    ['TimeTicks', 2 ** 32, 0],
    ['Gauge32', 2 ** 40, 2 ** 32 - 1],
    ['Gauge32', -1, 0],
    ['INTEGER', 2 ** 31, 2 ** 31 - 1],
    ['INTEGER', -(2 ** 40), -(2 ** 31)],
    ['INTEGER', -1, -1],
    ['INTEGER', 1.9, 1],
    ['Counter64', 2 ** 53 - 1, 2 ** 53 - 1],
    ['Counter64', -1, 0],
    ['IpAddress', 0xc0000201, 0xc0000201],
  ])('%s shows %d as %d', (type, value, shown) => {
    expect(numberOf(smiTags[type], value)).toBe(shown);
  });

  it('makes octets of names, text and bytes', () => {
    expect([...octetsOf(smiTags['OBJECT IDENTIFIER'], oid('0.0'))]).toEqual([0]);
    expect([...octetsOf(smiTags['OCTET STRING'], 'ä')]).toEqual([0xc3, 0xa4]);
    expect([...octetsOf(smiTags['OCTET STRING'], Uint8Array.of(0, 255))]).toEqual([0, 255]);
  });

  it('refuses what does not belong to the type', () => {
    expect(() => numberOf(smiTags.Counter32, Number.NaN)).toThrow('not a number for Counter32');
    expect(() => numberOf(smiTags.Counter32, 'x')).toThrow(RangeError);
    expect(() => octetsOf(smiTags['OCTET STRING'], 4)).toThrow(TypeError);
    expect(() => octetsOf(smiTags['OBJECT IDENTIFIER'], Uint8Array.of(1))).toThrow(TypeError);
  });
});
