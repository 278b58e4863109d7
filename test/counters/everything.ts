/**
 * Every mechanism at once: two hosts with settings drawn by lot on a bad wire, talkers that use their sockets in every way, and somebody in
 * the middle who slips frames in; in a third of the runs half of the sockets speak IPv6. All from one seed. What must hold at every look, on
 * both hosts: connections + listeners + endpoints + closed + unattributed = global, for each counter.
 */
import { IpAddress } from '../../stack/core/address.js';
import { below, chance, SeededRandom } from '../../stack/core/random.js';
import type { WireDirection } from '../../stack/link/memory-wire.js';
import { IpOpt, Level, Msg, Poll, Shutdown, So, type StreamSocket, TcpOpt } from '../../stack/socket/socket.js';
import { md5Signature } from '../interop/parity-options.js';
import { aoAdd } from '../support/ao.js';
import { expectSums } from '../support/ledger.js';
import { type Host, Simulation } from '../support/simulation.js';
import { spoof, Tapped } from './spoof.js';

const MACS = ['02:00:00:00:00:0a', '02:00:00:00:00:0b'] as const;
const ADDRESSES = ['10.0.0.1', '10.0.0.2'] as const;
const ADDRESSES6 = ['fd00::1', 'fd00::2'] as const;
const FIRST_PORT = 6000;
const PORTS = 4;
const KEY = 'a key that both ends know';
/** Classic BPF that drops one segment in eight: A = random; A >= 2^29 ? take all of it : nothing of it. */
const DROPS_SOME = new Uint8Array(new Uint32Array([0x20, 0xfffff038, 0x01000035, 0x20000000, 0x06, 0xffffffff, 0x06, 0]).buffer);
const buffer = new Uint8Array(65536).fill(0x5a);
const sink = new Uint8Array(65536);

/** Settings and what they may be; the first is Linux's default. */
const SETTINGS: Readonly<Record<string, readonly (number | string)[]>> = {
  tcp_abort_on_overflow: [0, 1],
  tcp_autocorking: [1, 0],
  tcp_challenge_ack_limit: [0x7fffffff, 1, 3],
  tcp_comp_sack_nr: [44, 0, 3],
  tcp_congestion_control: ['cubic', 'reno', 'bbr', 'dctcp'],
  tcp_dsack: [1, 0],
  tcp_early_retrans: [3, 0],
  tcp_ecn: [2, 0, 1, 3, 4, 5],
  tcp_ecn_option: [2, 0, 1, 3],
  tcp_fastopen: [1, 0, 3, 7, 0x207, 0x603],
  tcp_fastopen_blackhole_timeout_sec: [0, 30],
  tcp_fin_timeout: [60, 1, 5],
  tcp_frto: [2, 0],
  tcp_invalid_ratelimit: [500, 0],
  tcp_keepalive_time: [7200, 2],
  tcp_keepalive_intvl: [75, 1],
  tcp_keepalive_probes: [9, 2],
  tcp_limit_output_bytes: [4194304],
  tcp_max_orphans: [16384, 1],
  tcp_max_syn_backlog: [256, 2],
  tcp_max_tw_buckets: [16384, 1],
  tcp_mem: ['47310 63081 94620', '4 8 12', '20 30 40'],
  tcp_migrate_req: [0, 1],
  tcp_min_rtt_wlen: [300, 1],
  tcp_mtu_probing: [0, 1, 2],
  tcp_no_metrics_save: [0, 1],
  tcp_notsent_lowat: [4294967295, 4000],
  tcp_orphan_retries: [0, 1],
  tcp_pingpong_thresh: [1, 3],
  tcp_plb_enabled: [0, 1],
  tcp_plb_cong_thresh: [128, 1],
  tcp_plb_rehash_rounds: [12, 1],
  tcp_recovery: [1, 0],
  tcp_reordering: [3, 10],
  tcp_retries1: [3, 1],
  tcp_retries2: [15, 3],
  tcp_retrans_collapse: [1, 0],
  tcp_rfc1337: [0, 1],
  tcp_rmem: ['4096 131072 33554432', '4096 6000 12000', '4096 20000 40000'],
  tcp_sack: [1, 0],
  tcp_shrink_window: [0, 1],
  tcp_slow_start_after_idle: [1, 0],
  tcp_stdurg: [0, 1],
  tcp_syn_retries: [6, 1],
  tcp_synack_retries: [5, 1],
  tcp_syncookies: [1, 0, 2],
  tcp_thin_linear_timeouts: [0, 1],
  tcp_timestamps: [1, 0],
  tcp_tw_reuse: [2, 0, 1],
  tcp_window_scaling: [1, 0],
  tcp_wmem: ['4096 16384 4194304', '4096 8000 16000'],
  tcp_workaround_signed_windows: [0, 1],
  'net.core.txrehash': [1, 0],
  'net.ipv6.auto_flowlabels': [1, 0, 2, 3],
  'net.ipv6.conf.all.accept_dad': [0, 1],
};

/** What one run uses. */
class Scene {
  readonly sim: Simulation;
  readonly random: SeededRandom;
  readonly hosts: readonly [Host, Host];
  readonly taps: readonly [Tapped, Tapped];
  readonly talkers: Talker[] = [];
  readonly listeners: StreamSocket[] = [];
  /** Most ends sign: with MD5, with TCP-AO. */
  readonly signed: 'no' | 'md5' | 'ao';
  /** Both hosts speak IPv6 too: half of the sockets are of that family, listeners of it take both. */
  readonly six: boolean;

  constructor(seed: number) {
    this.sim = new Simulation(seed);
    this.random = new SeededRandom(this.sim.random.u32());
    this.signed = this.oneIn(4) ? this.pick(['md5', 'ao'] as const) : 'no';
    this.six = this.oneIn(3);
    const wire = this.sim.wire({ mtu: 1500 });
    this.taps = [new Tapped(wire.a), new Tapped(wire.b)];
    this.hosts = [this.host(0), this.host(1)];
    for (const d of [wire.ab, wire.ba]) this.setFaults(d);
  }

  pick<T>(list: readonly T[]): T {
    return list[below(this.random, list.length)]!;
  }
  oneIn(n: number): boolean {
    return below(this.random, n) === 0;
  }

  private host(i: 0 | 1): Host {
    const sysctl: Record<string, number | string> = {};
    for (const [name, values] of Object.entries(SETTINGS)) sysctl[name] = this.oneIn(2) ? values[0]! : this.pick(values);
    return this.sim.host(this.taps[i], {
      mac: MACS[i],
      ipv6: this.six,
      addresses: [`${ADDRESSES[i]}/24`, ...(this.six ? [`${ADDRESSES6[i]}/64`] : [])],
      sysctl,
      maxRows: this.oneIn(10) ? 4 : 128, // connections beyond the rows there are count as unattributed
      offloads: this.oneIn(2),
      coalesce: this.oneIn(2),
    });
  }

  private setFaults(d: WireDirection): void {
    const { random } = this;
    const sometimes = (p: number) => (below(random, 3) ? (below(random, 1000) / 1000) * p : 0);
    Object.assign(d.settings, {
      delayUs: below(random, 20_000),
      rate: below(random, 2) ? 0 : 1_000_000 + below(random, 50_000_000),
      queueLimit: 5 + below(random, 100),
      loss: sometimes(0.1),
      duplicate: sometimes(0.1),
      reorder: sometimes(0.2),
      reorderUs: 1 + below(random, 30_000),
      corrupt: sometimes(0.1),
    });
  }

  spoof(): void {
    const i = below(this.random, 2);
    spoof(this.random, this.taps[i]!, MACS[i]!, MACS[1 - i]!);
  }

  checkSums(): void {
    for (const h of this.hosts) expectSums(h.ledger);
  }

  /** A listener on each port, but for some. */
  listen(side: number): void {
    for (let i = 0; i < PORTS; i++) {
      if (this.oneIn(4)) continue; // a closed port
      const l = this.hosts[side]!.stack.tcp(this.family());
      this.options(l, side);
      if (this.oneIn(4)) l.setOption(Level.TCP, TcpOpt.DEFER_ACCEPT, 1 + below(this.random, 3));
      if (this.oneIn(2)) l.setOption(Level.TCP, TcpOpt.FASTOPEN, 1 + below(this.random, 3));
      l.bind(null, FIRST_PORT + i);
      l.listen(below(this.random, 4));
      l.onReady = () => {
        if (this.oneIn(8)) return; // too busy: the queue fills up
        for (let s = l.accept(); typeof s !== 'number'; s = l.accept()) this.talkers.push(new Talker(s, this));
      };
      this.listeners.push(l);
    }
  }

  private family(): 4 | 6 {
    return this.six && this.oneIn(2) ? 6 : 4;
  }

  connect(side: number): void {
    const family = this.family();
    const s = this.hosts[side]!.stack.tcp(family);
    this.options(s, side);
    const [there, nobody] = family === 6 ? [ADDRESSES6[1 - side]!, 'fd00::77'] : [ADDRESSES[1 - side]!, '10.0.0.77'];
    const to = {
      address: IpAddress.from(this.oneIn(20) ? nobody : there),
      port: FIRST_PORT + below(this.random, PORTS),
    };
    if (this.oneIn(6)) s.bind(null, FIRST_PORT + 100 + below(this.random, PORTS)); // may meet a peer that does the same
    if (this.oneIn(6)) to.port = FIRST_PORT + 100 + below(this.random, PORTS);
    if (this.oneIn(3)) s.sendTo(buffer, 0, below(this.random, 2000), Msg.FASTOPEN, to);
    else {
      if (this.oneIn(4)) s.setOption(Level.TCP, TcpOpt.FASTOPEN_CONNECT, 1);
      s.connect(to.address, to.port);
    }
    this.talkers.push(new Talker(s, this));
  }

  private options(s: StreamSocket, side: number): void {
    const { random } = this;
    const set = (level: number, name: number, value: number | readonly [number, number] | Uint8Array) => {
      if (this.oneIn(4)) s.setOption(level, name, value);
    };
    set(Level.SOCKET, So.RCVBUF, below(random, 20_000));
    set(Level.SOCKET, So.SNDBUF, below(random, 20_000));
    set(Level.SOCKET, So.RCVLOWAT, below(random, 3000));
    set(Level.SOCKET, So.LINGER, [below(random, 2), below(random, 3)]);
    set(Level.SOCKET, So.KEEPALIVE, 1);
    set(Level.SOCKET, So.OOBINLINE, 1);
    set(Level.SOCKET, So.ZEROCOPY, 1);
    set(Level.TCP, TcpOpt.KEEPIDLE, 1 + below(random, 5));
    set(Level.TCP, TcpOpt.KEEPINTVL, 1 + below(random, 3));
    set(Level.TCP, TcpOpt.KEEPCNT, 1 + below(random, 3));
    set(Level.TCP, TcpOpt.USER_TIMEOUT, below(random, 5000));
    set(Level.TCP, TcpOpt.LINGER2, below(random, 4) - 1);
    set(Level.TCP, TcpOpt.NODELAY, 1);
    set(Level.TCP, TcpOpt.QUICKACK, below(random, 2));
    set(Level.TCP, TcpOpt.MAXSEG, 100 + below(random, 1400));
    set(Level.TCP, TcpOpt.WINDOW_CLAMP, 2000 + below(random, 5000));
    set(Level.TCP, TcpOpt.SYNCNT, 1 + below(random, 3));
    set(Level.IP, IpOpt.MINTTL, below(random, 3) ? 0 : 64);
    set(Level.IP, IpOpt.RECVERR, 1);
    set(Level.IP, IpOpt.MTU_DISCOVER, below(random, 4));
    set(Level.SOCKET, So.MAX_PACING_RATE, 20_000 + below(random, 1_000_000));
    set(Level.SOCKET, So.TIMESTAMPING, 2 | 16 | 256 | 512);
    set(Level.SOCKET, So.REUSEPORT, 1);
    set(Level.SOCKET, So.TXREHASH, below(random, 2));
    set(Level.TCP, TcpOpt.TX_DELAY, below(random, 20_000));
    if (this.oneIn(20)) s.setOption(Level.SOCKET, So.ATTACH_FILTER, DROPS_SOME);
    if (this.signed === 'no' || this.oneIn(5)) return;
    const peer = ADDRESSES[1 - side]!;
    const key = this.oneIn(6) ? 'another key' : KEY;
    if (this.signed === 'md5') s.setOption(Level.TCP, TcpOpt.MD5SIG, md5Signature(IpAddress.from(peer).w3, key));
    else s.setOption(Level.TCP, TcpOpt.AO_ADD_KEY, aoAdd({ peer, key, ...(this.oneIn(6) ? { sendId: 7 } : {}) }));
  }
}

/** One end of a connection, who reads and writes as the lot falls. */
class Talker {
  private readonly socket: StreamSocket;
  private readonly scene: Scene;
  private left: number;
  private readonly lazy: boolean;
  private closed = false;

  constructor(socket: StreamSocket, scene: Scene) {
    this.socket = socket;
    this.scene = scene;
    this.left = scene.oneIn(3) ? 0 : below(scene.random, 30_000);
    this.lazy = scene.oneIn(4); // reads only when told to
    socket.onReady = (bits) => this.ready(bits);
    this.ready(socket.poll());
  }

  private ready(bits: number): void {
    if (this.closed) return;
    if (bits & Poll.ERR && this.scene.oneIn(2)) this.close();
    else {
      this.write();
      if (!this.lazy) this.read();
    }
  }

  private write(): void {
    const { scene, socket } = this;
    while (!this.closed && this.left > 0) {
      const flags = scene.pick([0, 0, 0, Msg.MORE, Msg.EOR, Msg.OOB, Msg.ZEROCOPY]);
      const n = socket.send(buffer, 0, Math.min(this.left, 1 + below(scene.random, 5000)), flags);
      if (n < 0) return;
      this.left -= n;
      if (this.left === 0 && scene.oneIn(2)) socket.shutdown(scene.pick([Shutdown.WR, Shutdown.WR, Shutdown.RDWR]));
    }
  }

  private read(): void {
    const { scene, socket } = this;
    for (let i = 0; i < 50 && !this.closed; i++) {
      const flags = scene.pick([0, 0, 0, 0, Msg.PEEK, Msg.OOB, Msg.TRUNC]);
      const n = socket.receive(sink, 0, 1 + below(scene.random, 8000), flags);
      if (n === 0) this.close();
      if (n <= 0) return;
    }
  }

  /** Something that a user may do at any time. */
  act(): void {
    if (this.closed) return;
    const { scene, socket } = this;
    switch (below(scene.random, 12)) {
      case 0:
        socket.setOption(Level.SOCKET, So.LINGER, [1, 0]);
        this.close();
        break;
      case 1:
        this.close();
        break;
      case 2:
        socket.shutdown(scene.pick([Shutdown.RD, Shutdown.WR, Shutdown.RDWR]));
        break;
      case 3:
        socket.connect(null, 0);
        break;
      case 4:
        socket.setOption(Level.TCP, TcpOpt.CORK, below(scene.random, 2));
        break;
      case 5:
        socket.setOption(Level.SOCKET, So.RCVBUF, below(scene.random, 30_000));
        break;
      case 6:
        this.left += below(scene.random, 20_000);
        this.write();
        break;
      case 7:
        socket.getOption(Level.TCP, TcpOpt.INFO);
        break;
      default:
        this.read();
    }
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.socket.close();
  }
}

/** One run. Throws when the sums do not hold. The hosts, for whoever wants to know what moved. */
export function everythingRun(seed: number): readonly [Host, Host] {
  const w = new Scene(seed);
  const { random, sim } = w;
  try {
    w.listen(0);
    w.listen(1);
    for (let n = 3 + below(random, 6); n > 0; n--) {
      w.connect(below(random, 2));
      sim.pass(below(random, 100_000));
    }
    for (let step = 10 + below(random, 40); step > 0; step--) {
      if (chance(random, 0.7)) w.spoof();
      if (w.talkers.length > 0 && chance(random, 0.5)) w.pick(w.talkers).act();
      if (chance(random, 0.1)) w.connect(below(random, 2));
      sim.pass(below(random, w.oneIn(5) ? 2_000_000 : 50_000));
    }
    w.checkSums();
    if (w.oneIn(2)) for (const l of w.listeners.splice(0)) l.close();
    sim.pass(10_000_000);
    w.checkSums();
    for (const t of w.talkers) t.close();
    for (const l of w.listeners) l.close();
    sim.pass(w.oneIn(4) ? 600_000_000 : 20_000_000);
    w.checkSums();
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.stack : error}`);
  }
  return w.hosts;
}
