import { describe, expect, it } from 'vitest';
import { oid } from '../../../daemon/snmp/oid.js';
import { bind, NO_TAIL, type SmiType } from '../../../daemon/snmp/value.js';

const NAME = { head: Uint8Array.of(0x2b, 6), tail: NO_TAIL };

describe('values', () => {
  it.each<[SmiType, number, number]>([
    ['Counter32', 2 ** 32 + 5, 5],
    ['Counter32', 2 ** 53 - 1, 2 ** 32 - 1],
    ['TimeTicks', 2 ** 32, 0],
    ['Gauge32', 2 ** 40, 2 ** 32 - 1],
    ['Gauge32', -1, 0],
    ['INTEGER', 2 ** 31, 2 ** 31 - 1],
    ['INTEGER', -(2 ** 40), -(2 ** 31)],
    ['INTEGER', -1, -1],
    ['Counter64', 2 ** 53 - 1, 2 ** 53 - 1],
    ['Counter64', -1, 0],
  ])('%s shows %d as %d', (type, value, shown) => {
    expect(bind(NAME, type, value)).toMatchObject({ number: shown, octets: null });
  });

  it('makes octets of addresses, names, text and bytes', () => {
    expect([...bind(NAME, 'IpAddress', 0xc0000201).octets!]).toEqual([192, 0, 2, 1]);
    expect([...bind(NAME, 'OBJECT IDENTIFIER', oid('0.0')).octets!]).toEqual([0]);
    expect([...bind(NAME, 'OCTET STRING', 'ä').octets!]).toEqual([0xc3, 0xa4]);
    expect([...bind(NAME, 'OCTET STRING', Uint8Array.of(0, 255)).octets!]).toEqual([0, 255]);
  });

  it('refuses what does not belong to the type', () => {
    expect(() => bind(NAME, 'Counter32', Number.NaN)).toThrow(RangeError);
    expect(() => bind(NAME, 'Counter32', 'x')).toThrow(RangeError);
    expect(() => bind(NAME, 'OCTET STRING', 4)).toThrow(TypeError);
    expect(() => bind(NAME, 'OBJECT IDENTIFIER', Uint8Array.of(1))).toThrow(TypeError);
  });
});
