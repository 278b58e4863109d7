import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { HEADROOM, MAX_FRAME, Packet } from '../../../stack/core/packet.js';
import { SeededRandom } from '../../../stack/core/random.js';
import { Wire } from '../../../stack/link/memory-wire.js';
import { PCAP_FILE_HEADER, PCAP_MAGIC, PCAP_RECORD_HEADER, PcapLink } from '../../../stack/link/pcap.js';
import { PcapFile } from '../../../stack/link/pcap-file.js';
import { packetOf, testFrame } from './common.js';

interface Record {
  readonly timeUs: number;
  readonly frame: Uint8Array;
}
/** A reader of its own, after the format's description. */
function readPcap(file: Uint8Array): Record[] {
  const v = new DataView(file.buffer, file.byteOffset, file.length);
  expect(v.getUint32(0, true)).toBe(PCAP_MAGIC);
  expect([v.getUint16(4, true), v.getUint16(6, true)]).toEqual([2, 4]);
  expect(v.getUint32(20, true)).toBe(1);
  const out: Record[] = [];
  for (let at = PCAP_FILE_HEADER; at < file.length; ) {
    const kept = v.getUint32(at + 8, true);
    expect(v.getUint32(at + 12, true)).toBe(kept);
    const frame = Uint8Array.from(file.subarray(at + PCAP_RECORD_HEADER, at + PCAP_RECORD_HEADER + kept));
    out.push({ timeUs: v.getUint32(at, true) * 1e6 + v.getUint32(at + 4, true), frame });
    at += PCAP_RECORD_HEADER + kept;
  }
  return out;
}

describe('pcap', () => {
  it('writes what was sent and received, stamped with the stack clock', () => {
    const chunks: Uint8Array[] = [];
    const wire = new Wire(new SeededRandom(1), { both: { delayUs: 250 } });
    const a = new PcapLink(wire.a, (b) => chunks.push(b.slice()));
    a.advance(1_999_990);
    a.transmit(packetOf(testFrame(60, 1)));
    wire.b.transmit(packetOf(testFrame(1514, 2)));
    a.advance(2_000_240);
    expect(a.receive(new Packet(MAX_FRAME + HEADROOM))).toBe(true);
    expect(readPcap(Buffer.concat(chunks))).toEqual([
      { timeUs: 1_999_990, frame: testFrame(60, 1) },
      { timeUs: 2_000_240, frame: testFrame(1514, 2) },
    ]);
  });

  it('does not write what the link refused', () => {
    let size = 0;
    const wire = new Wire(new SeededRandom(1));
    const a = new PcapLink(wire.a, (b) => {
      size += b.length;
    });
    expect(a.transmit(packetOf(new Uint8Array(1600)))).toBeLessThan(0);
    expect(size).toBe(PCAP_FILE_HEADER);
  });

  it('adds the offset to the wall clock, and goes to a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tsnetstat-pcap-'));
    try {
      const path = join(folder, 'x.pcap');
      const file = new PcapFile(path);
      const wire = new Wire(new SeededRandom(1));
      const a = new PcapLink(wire.a, file.sink, 1_700_000_000_000_000);
      a.advance(5_000_001);
      a.transmit(packetOf(testFrame(60, 9)));
      file.close();
      expect(readPcap(readFileSync(path))).toEqual([{ timeUs: 1_700_000_005_000_001, frame: testFrame(60, 9) }]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
