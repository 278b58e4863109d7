/** Everything the bounds test must refuse; and that what it accepts is written back with the size that was predicted. */
import { describe, expect, it } from 'vitest';
import { check } from '../../../daemon/snmp/check.js';
import { decode, encode, messageSize, openCodec } from '../../../daemon/snmp/codec.js';
import { berFromKey, formatOid, oid } from '../../../daemon/snmp/oid.js';
import { Page } from '../../../daemon/snmp/page.js';
import { type SmiType, smiTags } from '../../../daemon/snmp/value.js';
import { binding, int, message, NULL, name, PDU, readResponse, tlv } from './ber.js';

const SYS = '1.3.6.1.2.1.1.3.0';
const good = message(PDU.get, [SYS]);
const withBinding = (b: number[]) => message(PDU.get, [], { bindings: [b] });
const withValue = (...value: number[]) => withBinding(binding(SYS, value));
const withPdu = (pdu: number[]) => Uint8Array.from(tlv(0x30, int(1), tlv(4, [112]), pdu));
const verdict = (datagram: Uint8Array) => check(datagram).verdict;

describe('check', () => {
  it('accepts a request and finds its parts', () => {
    const w = check(Uint8Array.from([...good, 1, 2, 3]));
    expect(w).toMatchObject({ verdict: 'well-formed', version: 1, pdu: PDU.get, listEnd: good.length });
    expect(w).toMatchObject({ numbers: { requestId: 77, nonRepeaters: 0, maxRepetitions: 0 } });
    if (w.verdict !== 'well-formed') throw new Error('not reached');
    expect(w.names.map(formatOid)).toEqual([SYS]);
    expect(Buffer.from(w.community).toString()).toBe('public');
  });

  it.each([
    [0, 127, 128],
    [-1, -128, -129],
    [2 ** 31 - 1, -(2 ** 31), 65536],
    [-65536, 8388608, -8388609],
  ])('reads the numbers %d, %d and %d', (id, a, b) => {
    expect(check(message(PDU.bulk, [SYS], { id, a, b }))).toMatchObject({
      numbers: { requestId: id, nonRepeaters: a, maxRepetitions: b },
    });
  });

  it('refuses every message that is cut off', () => {
    for (let n = 0; n < good.length; n++) expect(verdict(good.subarray(0, n)), `${n} octets`).toBe('malformed');
  });

  it('refuses every length that is one too large or too small', () => {
    const lengths = [1, 6, 14, 25, 27, 29];
    for (const at of lengths) {
      for (const by of [-1, 1]) {
        const bent = Uint8Array.from(good);
        bent[at]! += by;
        expect(verdict(bent), `octet ${at} ${by}`).toBe('malformed');
      }
    }
  });

  it.each<[string, Uint8Array]>([
    ['an indefinite length', Uint8Array.from([0x30, 0x80, ...good.subarray(2)])],
    ['a length of five octets', Uint8Array.from([0x30, 0x85, 0, 0, 0, 0, good.length - 2, ...good.subarray(2)])],
    ['something else than a sequence', Uint8Array.from([0x31, ...good.subarray(1)])],
    [
      'a community that is no string',
      Uint8Array.from(tlv(0x30, int(1), int(4), tlv(PDU.get, int(1), int(0), int(0), tlv(0x30)))),
    ],
    ['an integer of five octets', withPdu(tlv(PDU.get, tlv(2, [0, 0, 0, 0, 1]), int(0), int(0), tlv(0x30)))],
    ['an integer without octets', withPdu(tlv(PDU.get, tlv(2), int(0), int(0), tlv(0x30)))],
    ['two numbers instead of three', withPdu(tlv(PDU.get, int(1), int(0), tlv(0x30)))],
    ['no list', withPdu(tlv(PDU.get, int(1), int(0), int(0)))],
    ['something behind the list', withPdu([...tlv(PDU.get, int(1), int(0), int(0), tlv(0x30), NULL)])],
    ['something behind the PDU', withPdu([...tlv(PDU.get, int(1), int(0), int(0), tlv(0x30)), ...NULL])],
    ['a binding without a value', withBinding(tlv(0x30, name(SYS)))],
    ['a binding with two values', withBinding(tlv(0x30, name(SYS), NULL, NULL))],
    ['a name that is no name', withBinding(tlv(0x30, tlv(4, [1]), NULL))],
    ['a name that is cut off', withBinding(tlv(0x30, tlv(6, [0x2b, 0x81]), NULL))],
    ['a NULL with contents', withValue(5, 1, 0)],
    ['a NULL with a long length', withValue(5, 0x81, 0)],
    ['a BOOLEAN', withValue(1, 1, 0)],
    ['a BIT STRING', withValue(3, 2, 0, 1)],
    ['an IpAddress of three octets', withValue(0x40, 3, 1, 2, 3)],
    ['a Counter32 of six octets', withValue(0x41, 6, 0, 0, 0, 0, 0, 1)],
    ['a Counter64 of ten octets', withValue(0x46, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)],
    ['a type of nowhere', withValue(0x1f, 0)],
    ['a value that is a bad name', withValue(6, 1, 0x81)],
  ])('refuses %s', (_what, datagram) => {
    expect(verdict(datagram)).toBe('malformed');
  });

  it.each<[string, number[]]>([
    ['INTEGER', int(-129)],
    ['OCTET STRING', tlv(4, [1, 2])],
    ['OBJECT IDENTIFIER', name('1.3')],
    ['IpAddress', tlv(0x40, [1, 2, 3, 4])],
    ['Counter32', int(2 ** 32 - 1, 0x41)],
    ['TimeTicks', int(1, 0x43)],
    ['Opaque', tlv(0x44, [9])],
    ['Counter64', int(2 ** 40, 0x46)],
    ['noSuchObject', [0x80, 0]],
    ['endOfMibView', [0x82, 0]],
  ])('accepts a value of type %s, as a SET has it', (_type, value) => {
    expect(verdict(withValue(...value))).toBe('well-formed');
  });

  it('leaves lengths in long form alone', () => {
    const long = Uint8Array.from([0x30, 0x84, 0, 0, 0, good.length - 2, ...good.subarray(2)]);
    expect(verdict(long)).toBe('well-formed');
    openCodec();
    expect(decode(long)).toMatchObject({ verdict: 'request', request: { requestId: 77 } });
  });
});

describe('encode', () => {
  const values: [SmiType, number | string | Uint8Array][] = [
    ['INTEGER', -1],
    ['INTEGER', 127],
    ['INTEGER', 128],
    ['INTEGER', -128],
    ['INTEGER', -129],
    ['INTEGER', -(2 ** 31)],
    ['Counter32', 0],
    ['Counter32', 2 ** 31],
    ['Counter32', 2 ** 32 - 1],
    ['Gauge32', 65535],
    ['TimeTicks', 32768],
    ['Counter64', 2 ** 32],
    ['Counter64', 2 ** 53 - 1],
    ['OCTET STRING', ''],
    ['OCTET STRING', 'x'.repeat(127)],
    ['OCTET STRING', 'x'.repeat(128)],
    ['OCTET STRING', new Uint8Array(70_000)],
    ['OBJECT IDENTIFIER', oid('1.3.6.1.4294967295')],
    ['IpAddress', 0xffffffff],
  ];

  it('writes what it was given, with the predicted size', () => {
    openCodec();
    const head = berFromKey(oid('1.3.6.1.2.1'));
    for (let n = 0; n <= values.length; n++) {
      const decoded = decode(message(PDU.get, [SYS], { id: 2 ** (n + 10) }));
      if (decoded.verdict !== 'request') throw new Error(decoded.verdict);
      const page = new Page();
      page.begin(Number.POSITIVE_INFINITY);
      for (const [i, [type, v]] of values.slice(0, n).entries())
        page.add(head, 0, head.length, Uint8Array.of(i), smiTags[type], v);
      const datagram = encode(decoded.request, { errorStatus: 0, errorIndex: 0, varBinds: page.contents });
      expect(datagram.length).toBe(messageSize(decoded.request, page.size, 6));
      const r = readResponse(datagram);
      expect(r.id).toBe(2 ** (n + 10));
      for (const [i, b] of r.bindings.entries()) {
        expect(b.oid).toBe(`1.3.6.1.2.1.${i}`);
        if (typeof b.value === 'bigint') expect(b.value).toBe(BigInt(values[i]![1] as number));
      }
      expect(r.bindings).toHaveLength(n);
    }
  });

  it('copies: the bindings may be written over once it has answered', () => {
    openCodec();
    const decoded = decode(message(PDU.get, [SYS]));
    if (decoded.verdict !== 'request') throw new Error(decoded.verdict);
    for (const octets of [20, 2000]) {
      const varBinds = Buffer.from(binding(SYS, tlv(4, new Uint8Array(octets))));
      const datagram = encode(decoded.request, { errorStatus: 0, errorIndex: 0, varBinds });
      const before = Buffer.from(datagram).toString('hex');
      varBinds.fill(0xff);
      expect(Buffer.from(datagram).toString('hex')).toBe(before);
    }
  });
});
