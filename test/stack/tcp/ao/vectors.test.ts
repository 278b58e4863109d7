/** TCP-AO's keys and codes: RFC 9235's vectors, and node's own HMAC and AES for what lies between. */
import { createCipheriv, createHash, createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../../stack/core/address.js';
import { Packet } from '../../../../stack/core/packet.js';
import { encryptBlock, expandKey } from '../../../../stack/tcp/ao/aes128.js';
import { AoKey, AoKeyFlag, algorithm } from '../../../../stack/tcp/ao/key.js';
import { aesCmac, cmacMasterKey, hmacSha1 } from '../../../../stack/tcp/ao/mac.js';
import { codeGood, deriveTrafficKey, extension } from '../../../../stack/tcp/ao/segment-mac.js';
import { Sha1 } from '../../../../stack/tcp/ao/sha1.js';
import { TcpHeader } from '../../../../stack/wire/tcp.js';
import { filler } from '../../../support/frames.js';
import { ENDS, fromHex, MASTER, vectors } from './rfc9235.js';

const hex = (b: Uint8Array) => Buffer.from(b).toString('hex');
const CLIENT_ID = 61;
const SERVER_ID = 84;

describe.each(vectors.map((v) => [v.section, v] as const))('RFC 9235 %s', (_, v) => {
  const { mac, master } = algorithm(v.algorithm, new TextEncoder().encode(MASTER))!;
  const [client, server] = ENDS[v.family].map((a) => IpAddress.from(a)) as [IpAddress, IpAddress];
  const flags = v.excludesOptions ? AoKeyFlag.excludeOptions : 0;
  const key = new AoKey(server, v.family === 4 ? 32 : 128, CLIENT_ID, SERVER_ID, flags, mac, master, 12);

  /** A segment of the vector as it came in, its AO option found. */
  const received = (i: number) => {
    const bytes = fromHex(v.segments[i]!);
    const p = new Packet(2048);
    p.reset(100);
    p.transport = 100;
    p.family = v.family;
    p.bytes.set(bytes, 100);
    p.tail = 100 + bytes.length;
    const [from, to] = i % 2 === 0 ? [client, server] : [server, client];
    [p.src0, p.src1, p.src2, p.src3] = [from.w0, from.w1, from.w2, from.w3];
    [p.dst0, p.dst1, p.dst2, p.dst3] = [to.w0, to.w1, to.w2, to.w3];
    const h = new TcpHeader();
    expect(h.parse(p)).toBe(true);
    expect(h.parseSignatures(p, 5)).toBe(true);
    return { p, h, from, to };
  };

  it.each([
    ['SYN', 0, v.synKey],
    ['SYN-ACK', 1, v.serverKey],
    ["the client's data", 2, v.clientKey],
    ["the server's data", 3, v.serverKey],
  ])('has the traffic key and the code of %s', (_what, i, traffic) => {
    const { p, h, from, to } = received(i);
    const ours = i % 2 === 0 ? v.clientIsn : v.serverIsn;
    const theirs = i === 0 ? 0 : i % 2 === 0 ? v.serverIsn : v.clientIsn;
    const derived = deriveTrafficKey(key, from, h.sourcePort, ours, to, h.destinationPort, theirs);
    expect(derived).toEqual(mac.prepare(fromHex(traffic)));
    expect(codeGood(key, derived, p, h.aoAt, p.payload, 0)).toBe(true);
    for (const at of [p.transport + 4, p.transport + 13, h.aoAt + 2, h.aoAt + 10, p.tail - 1]) {
      p.bytes[at]! ^= 1;
      expect(codeGood(key, derived, p, h.aoAt, p.payload, 0)).toBe(false);
      p.bytes[at]! ^= 1;
    }
    expect(codeGood(key, derived, p, h.aoAt, p.payload, 1)).toBe(false);
    // a middlebox may change an option of a segment whose options are not covered
    p.bytes[p.transport + 22]! ^= 1;
    expect(codeGood(key, derived, p, h.aoAt, p.payload, 0)).toBe(v.excludesOptions);
  });
});

describe('the algorithms', () => {
  it('hash as node does, for every length around a block', () => {
    const sha = new Sha1();
    const out = new Uint8Array(20);
    for (let n = 0; n < 200; n++) {
      const data = filler(n, n);
      sha.begin();
      sha.update(data, 0, n);
      sha.end(out, 0);
      expect(hex(out)).toBe(createHash('sha1').update(data).digest('hex'));
    }
  });

  it('make HMAC-SHA-1 as node does, for keys shorter and longer than a block', () => {
    const out = new Uint8Array(20);
    for (const n of [0, 1, 20, 63, 64, 65, 80, 200]) {
      const key = filler(n, 3);
      const data = filler(n * 3, 9);
      hmacSha1.begin(hmacSha1.prepare(key));
      hmacSha1.update(data, 0, data.length);
      hmacSha1.end(out);
      expect(hex(out)).toBe(createHmac('sha1', key).update(data).digest('hex'));
    }
  });

  it('encrypt as node does', () => {
    for (let n = 0; n < 50; n++) {
      const key = filler(16, n);
      const block = filler(16, n + 100);
      const words = new Uint32Array(44);
      expandKey(key, words, 0);
      const v = new DataView(block.buffer, block.byteOffset);
      const b = Uint32Array.from([0, 4, 8, 12], (i) => v.getUint32(i));
      encryptBlock(words, b);
      const c = createCipheriv('aes-128-ecb', key, null);
      expect([...b].map((w) => w.toString(16).padStart(8, '0')).join('')).toBe(c.update(block).toString('hex'));
    }
  });

  it('make AES-CMAC as RFC 4493 4 does, and its master keys as RFC 4615', () => {
    const key = fromHex('2b7e151628aed2a6abf7158809cf4f3c');
    const message = fromHex(
      '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
    );
    const out = new Uint8Array(16);
    const expected = {
      0: 'bb1d6929e95937287fa37d129b756746',
      16: '070a16b46b4d4144f79bdd9dd04a287c',
      40: 'dfa66747de9ae63030ca32611497c827',
      64: '51f0bebf7e3b9d92fc49741779363cfe',
    };
    for (const [n, code] of Object.entries(expected)) {
      aesCmac.begin(aesCmac.prepare(key));
      aesCmac.update(message, 0, Number(n));
      aesCmac.end(out);
      expect(hex(out)).toBe(code);
    }
    const prf = (k: Uint8Array) => {
      aesCmac.begin(aesCmac.prepare(cmacMasterKey(k)));
      aesCmac.update(
        Uint8Array.from({ length: 20 }, (_, i) => i),
        0,
        20,
      );
      aesCmac.end(out);
      return hex(out);
    };
    expect(prf(fromHex('000102030405060708090a0b0c0d0e0fedcb'))).toBe('84a348a4a45d235babfffc0d2b4da09a');
    expect(prf(fromHex('000102030405060708090a0b0c0d0e0f'))).toBe('980ae87b5f4c9c5214f5b6a8455e4c2d');
    expect(prf(fromHex('00010203040506070809'))).toBe('290d9e112edb09ee141fcf64c0b72f3d');
  });
});

describe('the extension of a sequence number', () => {
  it('rises where numbers wrap, and falls behind the wrap', () => {
    expect(extension(100, 0, 50)).toBe(0);
    expect(extension(5, 0, 0xfffffff0)).toBe(1);
    expect(extension(0xfffffff0, 1, 5)).toBe(0);
    expect(extension(5, 1, 9)).toBe(1);
    expect(extension(0x80000000, 3, 0x10)).toBe(3);
  });
});
