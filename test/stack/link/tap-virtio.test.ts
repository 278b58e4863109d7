import { describe, expect, it } from 'vitest';
import { Csum, Gso, HEADROOM, Packet } from '../../../stack/core/packet.js';
import { emitVirtioHeader, parseVirtioHeader, VIRTIO_HEADER } from '../../../stack/link/virtio-header.js';

const AT = HEADROOM - VIRTIO_HEADER;
/** An Ethernet, IPv4 and TCP header (20 bytes each of the latter, `tcp` 32-bit words for TCP) and `payload` bytes. */
function frame(payload: number, tcp = 5): Packet {
  const p = new Packet(70000);
  p.reset(HEADROOM);
  p.tail = p.data + 14 + 20 + tcp * 4 + payload;
  p.bytes[p.data + 14 + 20 + 12] = tcp << 4;
  return p;
}
const header = (p: Packet, bytes: readonly number[]) => p.bytes.set(bytes, AT);

describe('virtio header, received', () => {
  it('leaves an ordinary frame alone', () => {
    const p = frame(10);
    header(p, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(parseVirtioHeader(p, AT)).toBe(true);
    expect([p.csum, p.gsoType, p.gsoSize, p.gsoSegs]).toEqual([Csum.none, Gso.none, 0, 1]);
  });
  it('knows a checksum that was verified, and one that is unfinished', () => {
    const p = frame(10);
    header(p, [2, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(parseVirtioHeader(p, AT)).toBe(true);
    expect(p.csum).toBe(Csum.unnecessary);
    header(p, [1, 0, 0, 0, 0, 0, 34, 0, 16, 0]);
    expect(parseVirtioHeader(p, AT)).toBe(true);
    expect([p.csum, p.csumStart - p.data, p.csumOffset]).toEqual([Csum.partial, 34, 16]);
  });
  it('counts the segments of a super-frame by its own TCP header, not by hdr_len', () => {
    const p = frame(3 * 1448 + 1, 8);
    header(p, [1, Gso.tcpv4, 99, 99, 1448 & 255, 1448 >> 8, 34, 0, 16, 0]);
    expect(parseVirtioHeader(p, AT)).toBe(true);
    expect([p.gsoType, p.gsoSize, p.gsoSegs]).toEqual([Gso.tcpv4, 1448, 4]);
    const exact = frame(2 * 1000);
    header(exact, [1, Gso.tcpv6 | 0x80, 0, 0, 1000 & 255, 1000 >> 8, 34, 0, 16, 0]);
    expect(parseVirtioHeader(exact, AT)).toBe(true);
    expect([exact.gsoType, exact.gsoSegs]).toEqual([Gso.tcpv6, 2]);
  });
  /** Ethernet, IPv4 and UDP header, and payload. */
  const datagrams = (payload: number, size: number, field = 6) => {
    const p = new Packet(70000);
    p.reset(HEADROOM);
    p.tail = p.data + 42 + payload;
    header(p, [1, Gso.udpL4, 42, 0, size & 255, size >> 8, 34, 0, field, 0]);
    return { good: parseVirtioHeader(p, AT), is: [p.gsoType, p.gsoSize, p.gsoSegs] };
  };
  it("counts the datagrams of UDP's super-frame, 128 at most", () => {
    expect(datagrams(2500, 1000)).toEqual({ good: true, is: [Gso.udpL4, 1000, 3] });
    expect(datagrams(128, 1)).toEqual({ good: true, is: [Gso.udpL4, 1, 128] });
    expect(datagrams(129, 1).good).toBe(false);
    expect(datagrams(2500, 1000, 16).good).toBe(false);
    expect(datagrams(0, 1000).good).toBe(false);
  });
  it('takes what fits one segment for an ordinary frame', () => {
    expect(datagrams(1000, 1000)).toEqual({ good: true, is: [Gso.none, 0, 1] });
    const p = frame(1448, 8);
    header(p, [1, Gso.tcpv4, 66, 0, 1448 & 255, 1448 >> 8, 34, 0, 16, 0]);
    expect(parseVirtioHeader(p, AT)).toBe(true);
    expect([p.csum, p.gsoType, p.gsoSize, p.gsoSegs]).toEqual([Csum.partial, Gso.none, 0, 1]);
  });
  it.each([
    ['a checksum that starts inside the Ethernet header', [1, 0, 0, 0, 0, 0, 13, 0, 16, 0]],
    ['a checksum field behind the frame', [1, 0, 0, 0, 0, 0, 34, 0, 0xff, 0xff]],
    ['a start behind the frame', [1, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0]],
    ['a super-frame with a finished checksum', [0, Gso.tcpv4, 54, 0, 0xb4, 5, 0, 0, 0, 0]],
    ['a super-frame of segments of no size', [1, Gso.tcpv4, 54, 0, 0, 0, 34, 0, 16, 0]],
    ['a kind of super-frame that does not exist', [1, 9, 54, 0, 0xb4, 5, 34, 0, 16, 0]],
    ['a super-frame without payload', [1, Gso.tcpv4, 54, 0, 0xb4, 5, 34 + 10, 0, 16, 0]],
  ])('refuses %s', (_what, bytes) => {
    const p = frame(0);
    header(p, bytes);
    expect(parseVirtioHeader(p, AT)).toBe(false);
  });
});

describe('virtio header, sent', () => {
  it('is ten zeros for a finished frame, whatever was there', () => {
    const p = frame(10);
    header(p, new Array(10).fill(255));
    emitVirtioHeader(p, AT);
    expect([...p.bytes.subarray(AT, AT + 10)]).toEqual(new Array(10).fill(0));
  });
  it.each([
    [Gso.none, 0, 10],
    [Gso.tcpv4, 1460, 5000],
    [Gso.tcpv6, 1440, 60000],
    [Gso.udpL4, 1200, 4000],
  ])('says what it was told: type %i, size %i', (type, size, payload) => {
    const p = frame(payload, 8);
    p.csum = Csum.partial;
    p.csumStart = p.data + 34;
    p.csumOffset = type === Gso.udpL4 ? 6 : 16;
    p.gsoType = type;
    p.gsoSize = size;
    emitVirtioHeader(p, AT);
    const hdrLen = type === Gso.none ? 0 : 34 + (type === Gso.udpL4 ? 8 : 32);
    expect(p.view.getUint16(AT + 2, true)).toBe(hdrLen);
    const q = frame(payload, 8);
    q.bytes.set(p.bytes.subarray(AT, AT + 10), AT);
    expect(parseVirtioHeader(q, AT)).toBe(true);
    expect([q.csum, q.csumStart, q.csumOffset, q.gsoType, q.gsoSize]).toEqual([
      Csum.partial,
      p.csumStart,
      p.csumOffset,
      type,
      size,
    ]);
    expect(q.gsoSegs).toBe(type === Gso.none ? 1 : Math.ceil((p.tail - p.data - hdrLen) / size));
  });
});
