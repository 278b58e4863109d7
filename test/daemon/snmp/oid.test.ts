import { describe, expect, it } from 'vitest';
import { berFromIndex, berFromKey, formatOid, keyFromBer, oid, oidKey, oidLength, parseOid } from '../../../daemon/snmp/oid.js';
import { compareNames, name } from './ber.js';

const contents = (dotted: string) => name(dotted).slice(2);

describe('OID keys', () => {
  it('sort as SNMP orders names', () => {
    const names = [
      '1.3.6.1',
      '1.3.6.1.0',
      '1.3.6.1.65535',
      '1.3.6.1.65536',
      '1.3.6.1.55296',
      '1.3.6.1.4294967295',
      '1.3.6.2',
      '0.0',
      '2.999',
      '1.3',
    ];
    const byKey = names.map(oid).sort((a, b) => (a < b ? -1 : 1));
    expect(byKey.map(formatOid)).toEqual([...names].sort(compareNames));
  });

  it('go to text and back', () => {
    expect(formatOid(oid('.1.3.6.1.4294967295.0'))).toBe('1.3.6.1.4294967295.0');
    expect(oidLength(oid('1.3.6'))).toBe(3);
  });

  it.each(['', '1..3', '1.3.x', '1.3.-1', '1.3.4294967296', '1.3.', new Array(129).fill('1').join('.')])('refuse %j', (text) => {
    expect(parseOid(text)).toBeUndefined();
    expect(() => oid(text)).toThrow(TypeError);
  });

  it.each([
    '0.0',
    '0.39',
    '1.0',
    '1.39',
    '2.0',
    '2.47',
    '2.48',
    '2.999.3',
    '1.3.6.1.2.1.1.1.0',
    '1.3.127.128.16383.16384.4294967295',
  ])('%s goes to the wire and back', (dotted) => {
    const wire = contents(dotted);
    expect([...berFromKey(oid(dotted))]).toEqual(wire);
    expect(formatOid(keyFromBer(Uint8Array.from(wire), 0, wire.length)!)).toBe(dotted);
  });

  it('encode an index as the end of a name', () => {
    const whole = [...berFromKey(oid('1.3.6.1')), ...berFromIndex(oidKey([10, 300, 0]))];
    expect(whole).toEqual(contents('1.3.6.1.10.300.0'));
  });

  it('read empty contents as 0.0', () => {
    expect(formatOid(keyFromBer(new Uint8Array(0), 0, 0)!)).toBe('0.0');
  });

  it('refuse contents that are cut off, too large, or too long', () => {
    const read = (...octets: number[]) => keyFromBer(Uint8Array.from(octets), 0, octets.length);
    expect(read(0x2b, 0x81)).toBeUndefined();
    expect(read(0x2b, 0x90, 0x80, 0x80, 0x80, 0x00)).toBeUndefined();
    expect(read(0x2b, 0x8f, 0xff, 0xff, 0xff, 0x7f)).toBe(oid('1.3.4294967295'));
    expect(read(...new Array(127).fill(1))).toHaveLength(256);
    expect(read(...new Array(128).fill(1))).toBeUndefined();
  });
});
