/** What every link must do. Run against each implementation; `make` gives two ends (the same one twice for a link that answers itself). */
import { describe, expect, it } from 'vitest';
import { HEADROOM, MAX_FRAME, Packet } from '../../../stack/core/packet.js';
import type { Link } from '../../../stack/link/link.js';
import { bytes, EtherType, ethernet, filler } from '../../support/frames.js';

export interface LinkPair {
  readonly a: Link;
  readonly b: Link;
}

export function packetOf(frame: Uint8Array): Packet {
  const p = new Packet(Math.max(MAX_FRAME, frame.length) + HEADROOM);
  p.reset(HEADROOM);
  p.bytes.set(frame, HEADROOM);
  p.tail = HEADROOM + frame.length;
  return p;
}
export function frameOf(p: Packet): Uint8Array {
  return p.bytes.slice(p.data, p.tail);
}
export function testFrame(size: number, tag: number): Uint8Array {
  return ethernet('02:00:00:00:00:02', '02:00:00:00:00:01', EtherType.ipv4, bytes(tag, filler(size - 15)), false);
}

export function linkSuite(name: string, make: () => LinkPair): void {
  describe(`${name} as a link`, () => {
    const buffer = new Packet(MAX_FRAME + HEADROOM);
    const drain = (link: Link, nowUs: number) => {
      link.advance(nowUs);
      const got: Uint8Array[] = [];
      while (link.receive(buffer)) got.push(frameOf(buffer));
      return got;
    };

    it('gives frames to the other end, unchanged and in order', () => {
      const { a, b } = make();
      a.advance(0);
      const frames = [testFrame(60, 1), testFrame(1514, 2), testFrame(61, 3)];
      for (const f of frames) expect(a.transmit(packetOf(f))).toBe(0);
      expect(drain(b, 1_000_000)).toEqual(frames);
      expect(drain(b, 1_000_000)).toEqual([]);
    });

    it('gives the sender its bytes back: what it does to them later does not show', () => {
      const { a, b } = make();
      const p = packetOf(testFrame(100, 1));
      expect(a.transmit(p)).toBe(0);
      p.bytes.fill(0xee);
      expect(drain(b, 1_000_000)).toEqual([testFrame(100, 1)]);
    });

    it('puts the Ethernet header at 2 mod 4, so that the IP header is aligned', () => {
      const { a, b } = make();
      a.transmit(packetOf(testFrame(60, 1)));
      b.advance(1_000_000);
      expect(b.receive(buffer)).toBe(true);
      expect(buffer.data % 4).toBe(2);
      expect(buffer.mac).toBe(buffer.data);
      expect(buffer.length).toBe(60);
    });

    it('says when there will be something to receive', () => {
      const { a, b } = make();
      expect(b.nextDeadlineUs()).toBe(Number.POSITIVE_INFINITY);
      a.advance(1000);
      b.advance(1000);
      a.transmit(packetOf(testFrame(60, 1)));
      const due = b.nextDeadlineUs();
      expect(due).toBeGreaterThanOrEqual(1000);
      expect(due).toBeLessThan(1_000_000);
      expect(drain(b, due)).toHaveLength(1);
      expect(b.nextDeadlineUs()).toBe(Number.POSITIVE_INFINITY);
    });

    it('refuses a frame that is longer than its MTU', () => {
      const { a, b } = make();
      expect(a.transmit(packetOf(new Uint8Array(a.mtu + 15)))).toBeLessThan(0);
      expect(drain(b, 1_000_000)).toEqual([]);
    });

    it('is silent when closed', () => {
      const { a, b } = make();
      a.transmit(packetOf(testFrame(60, 1)));
      b.close();
      expect(drain(b, 1_000_000)).toEqual([]);
      expect(b.transmit(packetOf(testFrame(60, 1)))).toBeLessThan(0);
      expect(b.nextDeadlineUs()).toBe(Number.POSITIVE_INFINITY);
    });

    it('drops a frame for which the receiver has no room, and goes on', () => {
      const { a, b } = make();
      a.transmit(packetOf(testFrame(1000, 1)));
      a.transmit(packetOf(testFrame(60, 2)));
      b.advance(1_000_000);
      const small = new Packet(HEADROOM + 200);
      expect(b.receive(small)).toBe(true);
      expect(frameOf(small)).toEqual(testFrame(60, 2));
    });
  });
}
