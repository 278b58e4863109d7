/** IPv4 options as the kernel treats them. Each measured against a kernel: whole ledgers, and what went out. */
import { afterEach, describe, expect, it } from 'vitest';
import { bytes, ip4, u32 } from '../../support/frames.js';
import { expectSums } from '../../support/ledger.js';
import { datagram, host, optionsOf, peer, ping, scenario, TARGET, zero } from './fixture.js';
import { kernel } from './kernel-options.js';

afterEach(() => expectSums(host.ledger));

describe('IPv4 options, as the kernel does', () => {
  it.each([
    ['ip4_record_route', [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0], '070b0c0a6300010a63000100'],
    ['ip4_record_route_full', [7, 7, 8, 1, 1, 1, 1, 0], '0707080101010100'],
    ['ip4_ts_overflow', [0x44, 8, 9, 0, 0, 0, 0, 0], '4408091000000000'],
    ['ip4_opt_unknown', [0x1e, 4, 0, 0], ''],
    ['ip4_opt_eol_junk', [0, 7, 7, 7], ''],
    ['ip4_opt_ra', [0x94, 4, 0, 0], ''],
  ] as const)('%s: the echo carries back %s as %s', (name, options, echoed) => {
    expect(scenario(() => ping({ options: bytes(options) }))).toEqual(kernel[name]);
    const [f] = peer.take();
    expect(f).toMatchObject({ kind: 'icmp', type: 0, sumsGood: true });
    expect(optionsOf(f!.raw)).toBe(echoed);
  });

  it('ip4_ts_addr: address and time, coming and going', () => {
    expect(scenario(() => ping({ options: bytes([0x44, 20, 5, 1], zero(16)) }))).toEqual(kernel.ip4_ts_addr);
    const time = u32(1001); // ms since midnight; the clock started there
    expect(optionsOf(peer.take()[0]!.raw)).toBe(
      Buffer.from(bytes([0x44, 20, 21, 1], ip4(TARGET), time, ip4(TARGET), time)).toString('hex'),
    );
  });

  it('ip4_ts_prespec: only next to our own address', () => {
    const options = bytes([0x44, 20, 5, 3], ip4(TARGET), zero(4), ip4('1.2.3.4'), zero(4));
    expect(scenario(() => ping({ options }))).toEqual(kernel.ip4_ts_prespec);
    const filled = bytes([0x44, 20, 13, 3], ip4(TARGET), u32(1001), ip4('1.2.3.4'), zero(4));
    expect(optionsOf(peer.take()[0]!.raw)).toBe(Buffer.from(filled).toString('hex'));
  });

  it.each([
    ['ip4_ts_overflow15', [0x44, 8, 9, 0xf0, 0, 0, 0, 0], 0x17],
    ['ip4_ts_bad_ptr', [0x44, 8, 4, 0, 0, 0, 0, 0], 0x16],
    ['ip4_rr_bad_ptr', [7, 7, 3, 0, 0, 0, 0, 0], 0x16],
    ['ip4_opt_short', [1, 1, 1, 7], 0x17],
    ['ip4_srr_two', [0x89, 3, 4, 0x83, 3, 4, 0, 0], 0x17],
    ['ip4_cipso', [0x86, 8, 0, 0, 0, 1, 1, 2], 0x16],
    ['ip4_cipso_short', [0x86, 7, 0, 0, 0, 1, 1, 0], 0x15],
    ['ip4_opt_two_rr', [7, 7, 4, 0, 0, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0, 0], 0x1b],
  ] as const)('%s: parameter problem', (name, options, pointer) => {
    expect(scenario(() => ping({ options: bytes(options) }))).toEqual(kernel[name]);
    const [f] = peer.take();
    expect(f).toMatchObject({ kind: 'icmp', type: 12, code: 0, sumsGood: true });
    expect(f!.data[0]).toBe(pointer);
  });

  it('a label of a domain that nobody defined is in the error about it', () => {
    ping({ options: bytes([0x86, 8, 0, 0, 0, 1, 1, 2]) });
    expect(optionsOf(peer.take()[0]!.raw)).toBe('8608000000010102');
  });

  it.each([
    ['ip4_not_ours_bad_opt', [7, 7, 3, 0, 0, 0, 0, 0], 'icmp'],
    ['ip4_not_ours_lsrr', [0x83, 3, 4, 0], undefined],
    ['ip4_not_ours_opt', [0x99, 4, 0, 0], undefined],
  ] as const)('%s: looked at before a packet that is not for us is', (name, options, answer) => {
    expect(scenario(() => ping({ options: bytes(options), dst: '10.99.0.200' }))).toEqual(kernel[name]);
    expect(peer.take()[0]?.kind).toBe(answer);
  });

  it('ip4_ssrr is refused in silence', () => {
    expect(scenario(() => ping({ options: bytes([0x89, 7, 4], ip4('10.99.0.9'), [0]) }))).toEqual(kernel.ip4_ssrr);
  });

  it('ip4_unreach_with_rr: an error echoes the record too', () => {
    expect(scenario(() => datagram(5555, {}, undefined, bytes([7, 11, 4], zero(9))))).toEqual(kernel.ip4_unreach_with_rr);
    expect(optionsOf(peer.take()[0]!.raw)).toBe('070b0c0a6300010a63000100');
  });
});
