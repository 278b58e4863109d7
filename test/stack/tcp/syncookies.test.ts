/** SYN cookies: only the peer's own, only for two minutes, and the options that the timestamp hid. */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { SysctlTable } from '../../../stack/core/sysctl.js';
import type { Request } from '../../../stack/tcp/request.js';
import { TcpState } from '../../../stack/tcp/state.js';
import { decodeOptions, encodeOptions, SynCookies } from '../../../stack/tcp/syncookies.js';
import { TcpFlag } from '../../support/frames.js';
import { listening } from '../../support/listening.js';
import { option } from '../../support/tcp-peer.js';

const { RST, ACK } = TcpFlag;
const local = IpAddress.from('10.0.0.1');
const remote = IpAddress.from('10.0.0.2');
const MINUTE = 60_000_000;
const request = (fields: Partial<Request>) =>
  ({ family: 4, local, remote, localPort: 80, remotePort: 4000, rcvIsn: 12345, mss: 1460, ...fields }) as Request;

describe('a cookie', () => {
  const cookies = new SynCookies(Uint8Array.from({ length: 16 }, (_, i) => i));
  const check = (c: number, at: number, irs = 12345, port = 4000, from = remote) =>
    cookies.check(c, irs, local, 80, from, port, at);

  it('says the MSS, rounded down to one that it knows', () => {
    for (const [mss, said] of [
      [100, 536],
      [536, 536],
      [1299, 536],
      [1300, 1300],
      [1459, 1440],
      [1460, 1460],
      [9000, 1460],
    ] as const) {
      const r = request({ mss });
      expect(check(cookies.make(r, 5 * MINUTE), 5 * MINUTE)).toBe(said);
      expect(r.mss).toBe(said);
    }
  });

  it('is good for two minutes, across the wrap of its clock', () => {
    for (const start of [0, 255 * MINUTE, 1000 * MINUTE]) {
      const c = cookies.make(request({}), start);
      expect([0, 1, 2, 3].map((m) => check(c, start + m * MINUTE))).toEqual([1460, 1460, 0, 0]);
    }
  });

  it('is for one 4-tuple, one SYN and one host', () => {
    const c = cookies.make(request({}), 0);
    expect(check(c, 0)).toBe(1460);
    expect(check(c, 0, 12346)).toBe(0);
    expect(check(c, 0, 12345, 4001)).toBe(0);
    expect(check(c, 0, 12345, 4000, IpAddress.from('10.0.0.3'))).toBe(0);
    const other = new SynCookies(new Uint8Array(16));
    expect(other.check(c, 12345, local, 80, remote, 4000, 0)).toBe(0);
    let forged = 0;
    for (let i = 0; i < 20_000; i++) if (check(Math.imul(i, 0x9e3779b1) >>> 0, 0) !== 0) forged++;
    expect(forged).toBe(0);
  });
});

describe('options in a timestamp', () => {
  const sysctl = new SysctlTable();

  it('come back as they went, and the clock never runs ahead', () => {
    for (let scale = -1; scale <= 14; scale++) {
      for (const [sackOk, ecnOk] of [
        [true, false],
        [false, true],
        [true, true],
        [false, false],
      ] as const) {
        const r = request({ wscaleOk: scale >= 0, sndWscale: Math.max(0, scale), sackOk, ecnOk });
        const clock = encodeOptions(r, 1_000_000);
        expect(clock).toBeLessThanOrEqual(1_000_000);
        expect(1_000_000 - clock).toBeLessThan(128);
        const back = request({ wscaleOk: false, sndWscale: 0 });
        expect(decodeOptions(back, clock, sysctl)).toBe(true);
        expect([back.wscaleOk, back.sndWscale, back.sackOk, back.ecnOk]).toEqual([scale >= 0, Math.max(0, scale), sackOk, ecnOk]);
      }
    }
  });

  it('are refused where they have been switched off since', () => {
    const off = new SysctlTable();
    off.set('tcp_sack', 0);
    const clock = encodeOptions(request({ sackOk: true }), 1_000_000);
    expect(decodeOptions(request({}), clock, off)).toBe(false);
  });
});

describe('a handshake by cookie', () => {
  it('makes the connection, with what the peer asked for', () => {
    const w = listening({ sysctl: { tcp_syncookies: 2 } });
    const c = w.client();
    c.tsVal = 1000;
    c.handshake(true, option.wscale(7));
    const s = w.accept();
    expect(s.state).toBe(TcpState.ESTABLISHED);
    expect(s.connection).toMatchObject({ wscaleOk: true, sndWscale: 7, sackOk: true, tsOk: true, mssClamp: 1460 });
    expect(w.tcpMoves()).toMatchObject({ 'Tcp.PassiveOpens': 1, 'TcpExt.SyncookiesSent': 1, 'TcpExt.SyncookiesRecv': 1 });
    expect(w.listener.listener!.requests).toBe(0);
  });

  it('without timestamps agrees on nothing but the MSS', () => {
    const w = listening({ sysctl: { tcp_syncookies: 2 } });
    w.client().handshake(true, option.wscale(7));
    expect(w.accept().connection).toMatchObject({ wscaleOk: false, sackOk: false, tsOk: false });
  });

  it('is not believed two minutes later, nor by a listener that sent none', () => {
    const w = listening({ sysctl: { tcp_syncookies: 2 } });
    const c = w.client();
    c.handshake(false);
    w.sim.pass(3 * MINUTE);
    expect(c.segment({ flags: ACK })[0]!.flags).toBe(RST);
    const v = listening();
    const d = v.client();
    expect(d.segment({ flags: ACK, ack: 77 })[0]!.flags).toBe(RST);
    expect(v.tcpMoves()).toEqual({ 'Tcp.InSegs': 1, 'Tcp.OutSegs': 1, 'Tcp.OutRsts': 1 });
  });
});
