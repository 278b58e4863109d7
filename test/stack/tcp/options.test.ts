/** The option table: ranges, errno and what getsockopt says, as Linux has them. */
import { describe, expect, it } from 'vitest';
import { Errno } from '../../../stack/core/errno.js';
import { IpOpt, Level, type OptionValue, So, TcpOpt } from '../../../stack/socket/socket.js';
import type { TcpSocket } from '../../../stack/tcp/socket.js';
import { listening } from '../../support/listening.js';

const { EINVAL, ENOENT, ENOPROTOOPT, EPERM } = Errno;
const { SOCKET, IP, TCP } = Level;

function fresh(): TcpSocket {
  return listening().host.stack.tcp(4) as TcpSocket;
}
const shown = (s: TcpSocket, level: number, name: number) => {
  const r = s.getOption(level, name);
  return 'value' in r ? r.value : -r.errno;
};

/** level, name, what is set, what set answers, what get says then (default: the value set). */
type Case = readonly [number, number, OptionValue, number, OptionValue?];
const cases: readonly Case[] = [
  [SOCKET, So.REUSEADDR, 5, 0, 1],
  [SOCKET, So.KEEPALIVE, 1, 0],
  [SOCKET, So.LINGER, [1, 7], 0],
  [SOCKET, So.LINGER, 3, -EINVAL, [0, 0]],
  [SOCKET, So.SNDBUF, 10_000_000, 0, 4194304 * 2],
  [SOCKET, So.SNDBUF, 100, 0, 4608],
  [SOCKET, So.SNDBUFFORCE, 10_000_000, 0, -ENOPROTOOPT],
  [SOCKET, So.RCVBUF, 10_000_000, 0, 4194304 * 2],
  [SOCKET, So.RCVBUF, 100, 0, 2304],
  [SOCKET, So.RCVLOWAT, 0, 0, 1],
  [SOCKET, So.RCVLOWAT, 500, 0],
  [SOCKET, So.ERROR, 1, -ENOPROTOOPT, 0],
  [SOCKET, So.MAX_PACING_RATE, 1_000_000, 0],
  [SOCKET, So.MAX_PACING_RATE, 0, 0],
  [SOCKET, So.MAX_PACING_RATE, -1, 0, 0xffffffff],
  [SOCKET, So.MAX_PACING_RATE, -2, 0, 0xfffffffe],
  [SOCKET, So.MAX_PACING_RATE, 5e9, 0],
  [SOCKET, So.MAX_PACING_RATE, Uint8Array.of(0x40, 0x42, 0x0f, 0), 0, 1_000_000],
  [SOCKET, So.MAX_PACING_RATE, Uint8Array.of(255, 255, 255, 255), 0, 0xffffffff],
  [SOCKET, So.MAX_PACING_RATE, Uint8Array.of(0, 0, 0, 0, 2, 0, 0, 0), 0, 2 ** 33],
  [SOCKET, So.MAX_PACING_RATE, new Uint8Array(8).fill(255), 0, 0xffffffff],
  [SOCKET, So.MAX_PACING_RATE, Uint8Array.of(1, 2, 3), -EINVAL, 0xffffffff],
  [SOCKET, So.PRIORITY, 7, -EPERM, 0],
  [IP, IpOpt.TTL, 0, -EINVAL, 64],
  [IP, IpOpt.TTL, 255, 0],
  [IP, IpOpt.TTL, -1, 0, 64],
  [IP, IpOpt.TOS, 0xff, 0, 0xfc],
  [IP, IpOpt.MINTTL, 256, -EINVAL, 0],
  [IP, IpOpt.MTU_DISCOVER, 6, -EINVAL, 1],
  [TCP, TcpOpt.MAXSEG, 87, -EINVAL, 536],
  [TCP, TcpOpt.MAXSEG, 1000, 0],
  [TCP, TcpOpt.MAXSEG, 32768, -EINVAL, 536],
  [TCP, TcpOpt.KEEPIDLE, 0, -EINVAL, 7200],
  [TCP, TcpOpt.KEEPIDLE, 32767, 0],
  [TCP, TcpOpt.KEEPINTVL, 32768, -EINVAL, 75],
  [TCP, TcpOpt.KEEPCNT, 128, -EINVAL, 9],
  [TCP, TcpOpt.SYNCNT, 127, 0],
  [TCP, TcpOpt.LINGER2, -5, 0, -1],
  [TCP, TcpOpt.LINGER2, 1000, 0, 120],
  [TCP, TcpOpt.LINGER2, 0, 0, 60],
  [TCP, TcpOpt.DEFER_ACCEPT, 1, 0, 1],
  [TCP, TcpOpt.DEFER_ACCEPT, 5, 0, 7],
  [TCP, TcpOpt.WINDOW_CLAMP, 10, 0, 1152],
  [TCP, TcpOpt.CONGESTION, 'reno', 0],
  [TCP, TcpOpt.CONGESTION, 'bbr', 0],
  [TCP, TcpOpt.CONGESTION, new TextEncoder().encode('bbr\0\0'), 0, 'bbr'],
  [TCP, TcpOpt.CONGESTION, 'vegas', -ENOENT, 'cubic'],
  [TCP, TcpOpt.CONGESTION, '', -EINVAL, 'cubic'],
  [TCP, TcpOpt.USER_TIMEOUT, -1, -EINVAL, 0],
  [TCP, TcpOpt.NOTSENT_LOWAT, 16384, 0],
  [TCP, TcpOpt.FASTOPEN, -1, -EINVAL, 0],
  [TCP, TcpOpt.FASTOPEN, 10_000, 0, 4096],
  [TCP, TcpOpt.FASTOPEN_CONNECT, 2, -EINVAL, 0],
  [TCP, TcpOpt.FASTOPEN_NO_COOKIE, 1, 0],
  [TCP, TcpOpt.SAVE_SYN, 3, -EINVAL, 0],
  [TCP, TcpOpt.INQ, 2, -EINVAL, 0],
  [TCP, 9999, 1, -ENOPROTOOPT, -ENOPROTOOPT],
  [99, 1, 1, -ENOPROTOOPT, -ENOPROTOOPT],
];

describe('setsockopt and getsockopt', () => {
  for (const [level, name, value, answer, then = value] of cases) {
    it(`${level}/${name} = ${String(value)}`, () => {
      const s = fresh();
      expect(s.setOption(level, name, value)).toBe(answer);
      expect(shown(s, level, name)).toEqual(then);
    });
  }

  it('keep a listener and its children apart, and settings of a connection take effect', () => {
    const w = listening();
    const { s } = w.pair();
    s.setOption(SOCKET, So.RCVBUF, 5000);
    expect(s.connection!.rcvBuf).toBe(10_000);
    expect(shown(w.listener, SOCKET, So.RCVBUF)).toBe(131072);
    s.setOption(TCP, TcpOpt.CONGESTION, 'reno');
    expect(s.connection!.congestion.name).toBe('reno');
    expect(shown(s, TCP, TcpOpt.MAXSEG)).toBe(1460);
    expect(s.setOption(TCP, TcpOpt.FASTOPEN, 5)).toBe(-EINVAL);
    expect(s.setOption(TCP, TcpOpt.WINDOW_CLAMP, 0)).toBe(-EINVAL);
  });

  it('TCP_CONGESTION: what is not allowed, only who has it already may set', () => {
    const w = listening();
    const { s } = w.pair();
    const { sysctl } = w.host.stack.env;
    expect(sysctl.set('tcp_allowed_congestion_control', 'reno')).toBe(true);
    expect(s.setOption(TCP, TcpOpt.CONGESTION, 'bbr')).toBe(-EPERM);
    expect(s.setOption(TCP, TcpOpt.CONGESTION, 'cubic')).toBe(0);
    expect(s.setOption(TCP, TcpOpt.CONGESTION, 'reno')).toBe(0);
    expect(s.setOption(TCP, TcpOpt.CONGESTION, 'cubic')).toBe(-EPERM);
    expect(s.connection!.congestion.name).toBe('reno');
    expect(sysctl.set('tcp_congestion_control', 'bbr')).toBe(true); // the default is for everybody
    expect(s.setOption(TCP, TcpOpt.CONGESTION, 'bbr')).toBe(0);
  });

  it('give tcp_info of a socket that is nothing yet, with its pacing rate', () => {
    const s = fresh();
    s.setOption(SOCKET, So.MAX_PACING_RATE, 1000);
    expect(shown(s, TCP, TcpOpt.INFO)).toMatchObject({
      tcpi_state: 7,
      tcpi_snd_cwnd: 10,
      tcpi_reordering: 3,
      tcpi_pacing_rate: 1000,
      tcpi_max_pacing_rate: 1000,
      tcpi_snd_ssthresh: 0x7fffffff,
      tcpi_min_rtt: 0xffffffff,
      tcpi_delivery_rate_app_limited: 1,
      tcpi_unacked: 0,
      tcpi_sacked: 0,
    });
    expect(shown(s, TCP, TcpOpt.CC_INFO)).toEqual(new Uint8Array(0));
  });

  it('bend the timers (TCP_RTO_MIN_US, TCP_RTO_MAX_MS, TCP_DELACK_MAX_US), children with their listener', () => {
    const w = listening({
      prepare: (x) => {
        x.setOption(TCP, TcpOpt.RTO_MIN_US, 40_000);
        x.setOption(TCP, TcpOpt.RTO_MAX_MS, 1000);
        x.setOption(TCP, TcpOpt.DELACK_MAX_US, 8000);
      },
    });
    const { s } = w.pair();
    expect(shown(s, TCP, TcpOpt.RTO_MIN_US)).toBe(40_000);
    expect(s.connection!.rtoUs).toBeLessThan(60_000);
    s.send(new Uint8Array(100), 0, 100, 0);
    w.sim.run(w.sim.nowUs + 10e6);
    // doubled from about 50 ms on, but never more than a second: 0.05 + 0.1 + … + 0.8, then one a second
    const info = shown(s, TCP, TcpOpt.INFO) as Record<string, number>;
    expect(s.connection!.rtoUs).toBe(1_000_000);
    expect(info['tcpi_retransmits']).toBeGreaterThan(11);
  });

  it("tell the peer, memory and identity in Linux's structures", () => {
    const w = listening();
    const { s, c } = w.pair();
    const peer = shown(s, SOCKET, So.PEERNAME) as Uint8Array;
    expect([peer[0], (peer[2]! << 8) | peer[3]!]).toEqual([2, c.sport]);
    const memory = new DataView((shown(s, SOCKET, So.MEMINFO) as Uint8Array).buffer);
    expect(memory.byteLength).toBe(36);
    expect(memory.getInt32(4, true)).toBe(131072);
    expect(shown(fresh(), SOCKET, So.PEERNAME)).toBe(-Errno.ENOTCONN);
    const timeval = new Uint8Array(16);
    new DataView(timeval.buffer).setUint32(0, 3, true);
    new DataView(timeval.buffer).setUint32(8, 500_000, true);
    expect(s.setOption(SOCKET, So.RCVTIMEO, timeval)).toBe(0);
    expect(shown(s, SOCKET, So.RCVTIMEO_NEW)).toEqual(timeval);
    new DataView(timeval.buffer).setUint32(8, 1_000_000, true);
    expect(s.setOption(SOCKET, So.RCVTIMEO, timeval)).toBe(-Errno.EDOM);
  });

  it('give tcp_info of a listener: its queue and its backlog', () => {
    const w = listening({ backlog: 7 });
    w.client().handshake();
    expect(shown(w.listener, TCP, TcpOpt.INFO)).toMatchObject({ tcpi_state: 10, tcpi_unacked: 1, tcpi_sacked: 7 });
  });

  it('give the SYN as it came, once (TCP_SAVE_SYN)', () => {
    const w = listening({ prepare: (x) => void x.setOption(TCP, TcpOpt.SAVE_SYN, 1) });
    const { s } = w.pair();
    const syn = shown(s, TCP, TcpOpt.SAVED_SYN) as Uint8Array;
    expect([syn[0], syn[9], syn.length]).toEqual([0x45, 6, 48]);
    expect(shown(s, TCP, TcpOpt.SAVED_SYN)).toHaveLength(0);
  });
});
