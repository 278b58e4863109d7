/** AccECN: flags and options by themselves, and transfers between two hosts over a wire that marks; what the kernel does is in test/golden. */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { Packet } from '../../../stack/core/packet.js';
import { chance, SeededRandom } from '../../../stack/core/random.js';
import type { WireOptions } from '../../../stack/link/memory-wire.js';
import { Level, type StreamSocket, type TcpInfo, TcpOpt } from '../../../stack/socket/socket.js';
import { ACE_FLAGS, aceOf, asksAccEcn, flagsOf, reflectedFlags } from '../../../stack/tcp/accecn.js';
import { fit, fitOption, leftover, writeOption, writeSackPermitted, writeScale } from '../../../stack/tcp/accecn-option.js';
import { AccEcn } from '../../../stack/tcp/accecn-state.js';
import { tcpInfoFields } from '../../../stack/tcp/info.js';
import { refreshChecksum } from '../../../stack/wire/ipv4.js';
import { Flag, TcpHeader } from '../../../stack/wire/tcp.js';
import { type Bytes, bytes, tcp } from '../../support/frames.js';
import { Simulation } from '../../support/simulation.js';
import { Mover } from '../../support/transfer.js';

describe('the ACE field', () => {
  it('is the three flags, AE first', () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7].map((n) => aceOf(flagsOf(n) | Flag.ACK | Flag.PSH))).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(flagsOf(7)).toBe(ACE_FLAGS);
    expect([flagsOf(4), flagsOf(2), flagsOf(1)]).toEqual([Flag.AE, Flag.CWR, Flag.ECE]);
  });
  it('reflects Not-ECT, ECT(1), ECT(0) and CE by table 2 of RFC 9768', () => {
    expect([0, 1, 2, 3].map((mark) => aceOf(reflectedFlags(mark)))).toEqual([0b010, 0b011, 0b100, 0b110]);
  });
  it('of a SYN asks with anything but none and what RFC 3168 uses', () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7].filter(asksAccEcn)).toEqual([1, 2, 4, 5, 6, 7]);
  });
});

describe('the option as it comes', () => {
  function read(options: Bytes): TcpHeader {
    const p = new Packet(200);
    const segment = tcp({ src: '10.99.0.1', dst: '10.99.0.2', sport: 1, dport: 2, flags: Flag.ACK, options });
    p.bytes.set(segment, 100);
    p.transport = 100;
    p.tail = 100 + segment.length;
    const h = new TcpHeader();
    h.accEcnCount = 3; // left over from the packet before
    expect(h.parse(p)).toBe(true);
    h.parseOptions(p);
    return h;
  }
  const first = bytes([0, 0, 1], [0x80, 0, 2], [0xff, 0xff, 0xff]);
  it.each([
    [172, 11, 3, false],
    [174, 11, 3, true],
    [172, 8, 2, false],
    [174, 5, 1, true],
    [174, 2, 0, true],
    [172, 4, 0, false], // a field must be whole
    [172, 10, 2, false],
  ])('kind %i, length %i: %i fields', (kind, length, fields, ect1First) => {
    const h = read(bytes([kind, length], first.subarray(0, length - 2), new Uint8Array((16 - length) & 3).fill(1)));
    expect([h.accEcnCount, h.accEcnEct1First]).toEqual([fields, ect1First]);
    expect([...h.accEcn.subarray(0, fields)]).toEqual([1, 0x800002, 0xffffff].slice(0, fields));
  });
  it('no more than three fields', () => {
    expect(read(bytes([172, 14], first, [9, 9, 9], [1, 1])).accEcnCount).toBe(3);
  });
  it('none: with other options, without any, and with a timestamp alone', () => {
    expect(read(bytes([1, 1, 4, 2])).accEcnCount).toBe(-1);
    expect(read(new Uint8Array(0)).accEcnCount).toBe(-1);
    expect(read(bytes([1, 1, 8, 10], new Uint8Array(8))).accEcnCount).toBe(-1);
  });
});

describe('room for the option', () => {
  const table: [string, number, number, number, number, number, number, number][] = [
    // required, room, saving, SACK blocks -> bytes added, fields, blocks left
    ['all of it', 0, 40, 0, 0, 12, 3, 0],
    ['beside a timestamp', 0, 28, 0, 0, 12, 3, 0],
    ['the last word is short: two fields', 0, 8, 0, 0, 8, 2, 0],
    ['one field into the padding of another option', 0, 4, 2, 1, 4, 1, 1],
    ['no field, but its kind and length in the padding', 0, 0, 2, 1, 0, 0, 1],
    ['no room', 0, 0, 0, 0, 0, -1, 0],
    ['too little for what is due', 3, 8, 0, 0, 0, -1, 0],
    ['what is due costs the third SACK block', 3, 4, 2, 3, 4, 3, 2],
    ['two SACK blocks stay', 3, 4, 2, 2, 0, -1, 2],
  ];
  it.each(table)('%s', (_name, required, room, saving, blocks, added, fields, left) => {
    expect(fitOption(required, room, saving, blocks)).toBe(added);
    expect([fit.fields, fit.blocks]).toEqual([fields, left]);
  });

  it('what does not fill a word goes where others have their padding', () => {
    const v = new DataView(new ArrayBuffer(16));
    const a = new AccEcn();
    a.receivedEct1 = 0x0102fe;
    fit.fields = 1;
    expect(writeOption(v, 0, a)).toBe(4);
    expect([v.getUint32(0), leftover.high, leftover.low]).toEqual([0xae050102, 0xff, 1]);
    writeScale(v, 4, 7);
    expect(v.getUint32(4) >>> 0).toBe(0xff030307);
    fit.fields = 0;
    expect(writeOption(v, 0, a)).toBe(0);
    writeScale(v, 4, 7); // two bytes do not fit into one
    writeSackPermitted(v, 8);
    expect([v.getUint32(4), v.getUint32(8)]).toEqual([0x01030307, 0xae020402]);
  });
});

function infoOf(s: StreamSocket): TcpInfo {
  return (s.getOption(Level.TCP, TcpOpt.INFO) as { value: TcpInfo }).value;
}

describe('tcp_info', () => {
  it('has the fields of struct tcp_info in their order, 280 bytes', () => {
    let size = 0;
    for (const [, n] of tcpInfoFields) size += n;
    expect(size).toBe(280);
    const sim = new Simulation(1);
    const host = sim.host(sim.wire().a);
    const socket = host.stack.tcp(4);
    const names = tcpInfoFields.map(([name]) => name);
    expect(Object.keys(infoOf(socket))).toEqual(names);
    socket.connect(IpAddress.from('10.99.0.2'), 9);
    expect(Object.keys(infoOf(socket))).toEqual(names);
  });
});

interface Ends {
  readonly client: TcpInfo;
  readonly server: TcpInfo;
}
/** `bytes` each way over a wire that marks one frame in eight with CE, of those that carry ECT and data: what the last ACK says is not lost. */
function marked(seed: number, bytes: number, sysctl: Record<string, number>, large: boolean, wires: WireOptions = {}): Ends {
  const sim = new Simulation(seed);
  const marks = new SeededRandom(seed);
  const lose = (p: Packet): boolean => {
    const at = p.data + 14;
    if (p.tail - at <= 100 || (p.bytes[at + 1]! & 3) % 3 === 0 || !chance(marks, 0.125)) return false;
    p.bytes[at + 1] = p.bytes[at + 1]! | 3;
    refreshChecksum(p, at);
    return false;
  };
  const wire = sim.wire({ ...wires, both: { delayUs: 1000, lose } });
  const ways = { sysctl, offloads: large, coalesce: large };
  const a = sim.host(wire.a, ways);
  const b = sim.host(wire.b, { ...ways, mac: '02:00:00:00:00:02', addresses: ['10.99.0.2/24'] });
  const listener = b.stack.tcp(4);
  listener.bind(null, 7000);
  listener.listen(1);
  const ends: { server?: StreamSocket; mover?: Mover } = {};
  listener.onReady = () => {
    const s = listener.accept();
    if (typeof s === 'number') return;
    ends.server = s;
    ends.mover = new Mover(s, bytes, 2, 1, true);
    ends.mover.ready(s.poll());
  };
  const socket = a.stack.tcp(4);
  const client = new Mover(socket, bytes, 1, 2, true);
  socket.connect(IpAddress.from('10.99.0.2'), 7000);
  const whole = () => client.received === bytes && ends.mover?.received === bytes;
  expect(sim.run(whole, 60_000_000)).toBe(true);
  sim.pass(1_000_000);
  return { client: infoOf(socket), server: infoOf(ends.server!) };
}

const SUPER = 7; // LinkFeature: sums, TSO of both families
function expectAgreed(said: TcpInfo, was: TcpInfo, names: readonly string[]): void {
  const of = (i: TcpInfo, side: string) => Object.fromEntries(names.map((n) => [n, i[`tcpi_${side}_${n}`]]));
  expect(of(said, 'delivered')).toEqual(of(was, 'received'));
}

describe('a transfer over a wire that marks', () => {
  const ALL = ['ce', 'e0_bytes', 'e1_bytes', 'ce_bytes'];
  it.each([
    ['segment by segment, option in every one', 2, false, 0],
    ['segment by segment, option when something changes', 1, false, 0],
    ['in super-frames that are cut at the link', 2, true, 0],
    ['in super-frames over the wire', 2, true, SUPER],
  ])('%s: each end knows what arrived at the other', (_name, option, large, features) => {
    for (const seed of [1, 2, 3]) {
      const sysctl = { 'net.ipv4.tcp_ecn': 3, 'net.ipv4.tcp_ecn_option': option };
      const { client, server } = marked(seed, 600_000, sysctl, large, features ? { features } : {});
      expectAgreed(client, server, ALL);
      expectAgreed(server, client, ALL);
      expect(Math.min(client['tcpi_received_ce']!, server['tcpi_received_ce']!)).toBeGreaterThan(3);
      expect([client['tcpi_accecn_fail_mode'], server['tcpi_accecn_fail_mode']]).toEqual([0, 0]);
      expect(client['tcpi_retransmits']! + client['tcpi_total_retrans']! + server['tcpi_total_retrans']!).toBe(0);
    }
  });

  it('without the option the ACE field is enough for packets', () => {
    const { client, server } = marked(5, 600_000, { 'net.ipv4.tcp_ecn': 3, 'net.ipv4.tcp_ecn_option': 0 }, false);
    expectAgreed(client, server, ['ce']);
    expectAgreed(server, client, ['ce']);
    expect([client['tcpi_accecn_opt_seen'], client['tcpi_delivered_ce_bytes']]).toEqual([0, 0]);
    expect(client['tcpi_delivered_ce']).toBeGreaterThan(3);
  });

  it('with RFC 3168 an end learns that there was congestion, not how much', () => {
    const { client, server } = marked(6, 600_000, { 'net.ipv4.tcp_ecn': 1 }, false);
    expect(server['tcpi_received_ce']).toBeGreaterThan(3);
    expect(client['tcpi_delivered_ce']).toBeGreaterThan(0);
    expect(client['tcpi_delivered_ce_bytes']).toBe(0);
    expect(server['tcpi_received_e0_bytes']).toBeGreaterThan(500_000);
  });
});
