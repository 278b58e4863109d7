import { describe, expect, it } from 'vitest';
import { HEADROOM, Packet } from '../../../stack/core/packet.js';
import { emitUdp, UdpHeader } from '../../../stack/wire/udp.js';

const BYTES = [0x13, 0x89, 0xff, 0x07, 0x01, 0x0d, 0xbe, 0xef];

function packet(bytes: readonly number[]): Packet {
  const p = new Packet(256);
  p.reset(HEADROOM);
  p.transport = HEADROOM;
  p.bytes.set(bytes, HEADROOM);
  p.tail = HEADROOM + bytes.length;
  return p;
}

describe('UDP header', () => {
  it('bytes become fields', () => {
    const h = new UdpHeader();
    const p = packet(BYTES);
    expect(h.parse(p)).toBe(true);
    expect(h).toMatchObject({ sourcePort: 5001, destinationPort: 65287, length: 269, checksum: 0xbeef });
    expect(p.payload).toBe(HEADROOM + 8);
  });
  it('fields become bytes, the checksum 0', () => {
    const p = packet(new Array<number>(8).fill(0xff));
    emitUdp(p, 5001, 65287, 269);
    expect([...p.bytes.subarray(HEADROOM, HEADROOM + 8)]).toEqual([...BYTES.slice(0, 6), 0, 0]);
  });
  it('seven bytes are no header', () => {
    expect(new UdpHeader().parse(packet(BYTES.slice(0, 7)))).toBe(false);
  });
});
