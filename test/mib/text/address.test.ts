import { isIPv6 } from 'node:net';
import { describe, expect, it } from 'vitest';
import { addressText, connectionName, ipv4Text, ipv6Text, isLoopback } from '../../../mib/text/address.js';
import { seeded } from '../../support/vectors.js';

describe('addresses', () => {
  it('of loopback are known', () => {
    for (const own of ['127.0.0.1', '127.255.0.9', '::1', 'localhost']) expect(isLoopback(own)).toBe(true);
    for (const other of ['128.0.0.1', '10.127.0.1', '127.example.net', '127.0.0.256', '::', '::11', '0.0.0.0', ''])
      expect(isLoopback(other)).toBe(false);
  });

  it('are written as RFC 5952 says', () => {
    expect(ipv4Text(0xffffffff)).toBe('255.255.255.255');
    expect(ipv4Text(0x0a4d0002 | 0)).toBe('10.77.0.2');
    const six: [number[], string][] = [
      [[0, 0, 0, 0], '::'],
      [[0, 0, 0, 1], '::1'],
      [[0x20010db8, 0, 0, 1], '2001:db8::1'],
      [[0x20010db8, 0x00000001, 0x00010001, 0x00010001], '2001:db8:0:1:1:1:1:1'],
      [[0x20010db8, 0, 0x00010000, 0x00000001], '2001:db8::1:0:0:1'],
      [[0x00010000, 0, 0, 0], '1::'],
      [[0x00010002, 0x00030004, 0x00050006, 0x00070000], '1:2:3:4:5:6:7:0'],
      [[0, 0, 0xffff, 0xc0000201], '::ffff:192.0.2.1'],
      [[0, 0, 0, 0xc0000201], '::192.0.2.1'],
    ];
    for (const [w, text] of six) expect(ipv6Text(w[0]!, w[1]!, w[2]!, w[3]!)).toBe(text);
  });

  it('keep their words: the text reads back as the same address', () => {
    const random = seeded(3);
    for (let i = 0; i < 500; i++) {
      const words = Array.from({ length: 4 }, () =>
        random() < 0.4 ? 0 : Math.floor(random() * 2 ** 32) & (random() < 0.3 ? 0xffff : -1),
      );
      const text = addressText(6, words, 0);
      expect(isIPv6(text)).toBe(true);
      expect(expand(text)).toEqual(words.map((w) => w >>> 0));
    }
  });

  it('name a connection, local end first', () => {
    expect(connectionName(4, '10.77.0.2', 80, '10.77.0.1', 45678)).toBe('10.77.0.2:80-10.77.0.1:45678');
    expect(connectionName(6, 'fd77::2', 80, 'fd77::1', 45678)).toBe('[fd77::2]:80-[fd77::1]:45678');
  });
});

/** The other way, by another method: the URL parser's normal form has no dots. */
function expand(text: string): number[] {
  const plain = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::');
  const left = head.split(':').filter(Boolean);
  const right = (tail ?? '').split(':').filter(Boolean);
  const all = tail === undefined ? left : [...left, ...new Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return [0, 2, 4, 6].map((i) => ((Number.parseInt(all[i]!, 16) << 16) | Number.parseInt(all[i + 1]!, 16)) >>> 0);
}
