/** Bindings written one behind the other, up to a limit, into octets that are used again. */
import { describe, expect, it } from 'vitest';
import { berFromKey, oid } from '../../../daemon/snmp/oid.js';
import { Page } from '../../../daemon/snmp/page.js';
import { Tag } from '../../../daemon/snmp/value.js';
import { binding, int, tlv } from './ber.js';

const BASE = '1.3.6.1.2.1';
const head = berFromKey(oid(BASE));
const names = Uint8Array.from([9, 9, ...head, 9]);
const tail = (n: number) => Uint8Array.of(n);
const integer = (page: Page, n: number, value = n) => page.add(names, 2, 2 + head.length, tail(n), Tag.integer, value);
const shown = (page: Page) => page.contents.toString('hex');
const hex = (...bindings: number[][]) => Buffer.from(bindings.flat()).toString('hex');

describe('a page', () => {
  it('holds what was added, and nothing of before', () => {
    const page = new Page();
    page.begin(1000);
    integer(page, 5);
    page.begin(1000);
    integer(page, 1, -129);
    page.add(head, 0, head.length, tail(2), Tag.ipAddress, 0xc0000201);
    page.add(head, 0, head.length, tail(3), Tag.counter64, 2 ** 40);
    page.add(head, 0, head.length, tail(4), Tag.octetString, 'x'.repeat(130));
    page.add(head, 0, head.length, tail(5), Tag.oid, oid('1.3.6'));
    page.addException(head, 0, head.length, tail(6), Tag.endOfMibView);
    expect(shown(page)).toBe(
      hex(
        binding(`${BASE}.1`, int(-129)),
        binding(`${BASE}.2`, tlv(0x40, [192, 0, 2, 1])),
        binding(`${BASE}.3`, int(2 ** 40, 0x46)),
        binding(`${BASE}.4`, tlv(4, Buffer.alloc(130, 'x'))),
        binding(`${BASE}.5`, tlv(6, [0x2b, 6])),
        binding(`${BASE}.6`, [0x82, 0]),
      ),
    );
    expect(page.values).toBe(5);
    expect(page.full).toBe(false);
  });

  it('takes what fits to the octet, and then nothing', () => {
    const one = binding(`${BASE}.1`, int(1));
    const page = new Page();
    for (const [room, fit] of [
      [2 * one.length, 2],
      [2 * one.length - 1, 1],
      [one.length - 1, 0],
      [-1, 0],
    ] as const) {
      page.begin(room);
      integer(page, 1);
      integer(page, 1);
      expect([page.size, page.values, page.full]).toEqual([fit * one.length, fit, fit < 2]);
    }
  });

  it('takes what was written before, and grows', () => {
    const page = new Page();
    page.begin(65_000);
    const all: number[][] = [];
    for (let n = 0; n < 2000; n++) {
      const one = binding(`${BASE}.${n % 128}`, int(n));
      const at = Uint8Array.from([7, ...one, 7]);
      if (n % 2) page.addWritten(at, 1, 1 + one.length);
      else integer(page, n % 128, n);
      all.push(one);
    }
    expect(shown(page)).toBe(hex(...all));
    expect(page.values).toBe(2000);
  });

  it('has nothing of a value that cannot be', () => {
    const page = new Page();
    page.begin(1000);
    integer(page, 1);
    const before = shown(page);
    expect(() => integer(page, 2, Number.NaN)).toThrow(RangeError);
    expect(() => page.add(head, 0, head.length, tail(2), Tag.octetString, 4)).toThrow(TypeError);
    expect(shown(page)).toBe(before);
    expect(page.values).toBe(1);
  });
});
