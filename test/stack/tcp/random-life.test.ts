/**
 * Random segments and random calls, seeded: whatever happens, nothing is thrown, the rows' sums are the global counters at every moment, and
 * when all is closed nothing is left: no entry, no port, no row, no timer.
 */
import { describe, expect, it } from 'vitest';
import { Tcp } from '../../../mib/catalogue/index.js';
import { Col, RowKind } from '../../../mib/ledger/layout.js';
import { IpAddress } from '../../../stack/core/address.js';
import { below, chance, SeededRandom } from '../../../stack/core/random.js';
import { Level, Msg, Shutdown, So, type StreamSocket, TcpOpt } from '../../../stack/socket/socket.js';
import { bytes, filler, TcpFlag, u32 } from '../../support/frames.js';
import { expectSums } from '../../support/ledger.js';
import { listening, PORT } from '../../support/listening.js';
import { option } from '../../support/tcp-peer.js';

const { FIN, SYN, RST, PSH, ACK, URG } = TcpFlag;
const FLAGS = [
  SYN,
  ACK,
  ACK,
  ACK,
  PSH | ACK,
  PSH | ACK,
  FIN | ACK,
  RST,
  RST | ACK,
  SYN | ACK,
  SYN | FIN,
  FIN,
  0,
  URG | ACK | PSH,
];
const STEPS = 400;
const ACE = [0, 0x40, 0x80, 0xc0, 0x100, 0x140, 0x180, 0x1c0];

/** `ecn`: with any of ECN's flags, codepoints and AccECN options, and any way of having it. */
function life(seed: number, ecn: boolean) {
  const ways: Record<string, number> = ecn
    ? { tcp_ecn: seed % 6, tcp_ecn_option: seed % 4, tcp_ecn_option_beacon: seed % 3, tcp_ecn_fallback: seed & 1 }
    : {};
  const w = listening({
    seed,
    maxRows: 128,
    backlog: 3,
    sysctl: {
      tcp_fastopen: 0x203,
      tcp_fin_timeout: 5,
      tcp_syncookies: seed % 3,
      tcp_retries2: 3,
      tcp_max_tw_buckets: 5,
      ...ways,
    },
    prepare: (s) => void s.setOption(Level.TCP, TcpOpt.FASTOPEN, 2),
  });
  const random = new SeededRandom(seed * 7919);
  const pick = <T>(list: readonly T[]): T => list[below(random, list.length)]!;
  const sockets: StreamSocket[] = [];
  const into = new Uint8Array(3000);
  const remote = IpAddress.from(w.peer.address);
  /** What the peer knows of each of its ports: what it may send next, what it saw. */
  const ends = [40000, 40001, 40002, 5001].map((sport) => ({ sport, dport: PORT, seq: random.u32(), ack: 0 }));

  const listen = () => {
    for (const f of w.peer.take()) {
      const e = ends.find((x) => x.sport === f.dport);
      if (f.kind !== 'tcp' || !e) continue;
      expect(f.sumsGood).toBe(true);
      e.dport = f.sport;
      e.ack = (f.seq + f.data.length + (f.flags & (SYN | FIN) ? 1 : 0)) >>> 0;
      if (f.flags & ACK && chance(random, 0.9)) e.seq = f.ack;
    }
  };
  /** What is laid over a segment: flags, codepoint, options. */
  const marks = () => {
    if (!ecn) return { ace: 0, tos: 0 };
    const fields = below(random, 4);
    const accEcn = bytes(
      [pick([172, 174]), 2 + 3 * fields],
      filler(3 * fields, random.u32() & 255),
      new Uint8Array((2 + fields) & 3).fill(1),
    );
    return { ace: chance(random, 0.7) ? pick(ACE) : 0, tos: below(random, 4), ...(chance(random, 0.4) && { options: accEcn }) };
  };
  const segment = () => {
    const e = pick(ends);
    const { ace, tos, ...over } = marks();
    const flags = pick(FLAGS) | ace;
    const data = flags & (PSH | SYN) && chance(random, 0.6) ? filler(below(random, 1400)) : '';
    const odd = chance(random, 0.15) ? below(random, 100000) - 50000 : 0;
    const options = chance(random, 0.3)
      ? pick([
          option.mss(below(random, 2000)),
          option.ts(w.sim.nowUs / 1000, random.u32()),
          bytes([1, 1, 5, 10], u32(e.seq), u32(e.ack)),
          option.sackOk,
        ])
      : new Uint8Array(0);
    w.peer.sendTcp(
      {
        sport: e.sport,
        dport: (flags & ~ACE[7]!) === SYN && e.sport !== 5001 ? PORT : e.dport,
        seq: (e.seq + odd) >>> 0,
        ack: flags & ACK ? (e.ack + (chance(random, 0.1) ? below(random, 1000) : 0)) >>> 0 : 0,
        flags,
        window: pick([0, 500, 65535]),
        urgent: flags & URG ? 3 : 0,
        options,
        ...over,
      },
      data,
      { tos },
    );
    if (flags & (SYN | FIN) || data) e.seq = (e.seq + data.length + (flags & (SYN | FIN) ? 1 : 0)) >>> 0;
  };
  const call = () => {
    if (sockets.length === 0 || chance(random, 0.3)) {
      const s = w.listener.accept();
      if (typeof s !== 'number') sockets.push(s);
      else if (sockets.length < 6) {
        const c = w.host.stack.tcp(4);
        sockets.push(c);
        if (chance(random, 0.3)) c.sendTo(into, 0, 100, Msg.FASTOPEN, { address: remote, port: 5001 });
        else c.connect(remote, 5001);
      }
      return;
    }
    const s = pick(sockets);
    const act = below(random, 9);
    if (act < 3) s.send(into, 0, below(random, 3000), pick([0, Msg.MORE, Msg.OOB]));
    else if (act < 5) s.receive(into, 0, 3000, pick([0, Msg.PEEK, Msg.TRUNC, Msg.OOB]));
    else if (act === 5) s.shutdown(pick([Shutdown.RD, Shutdown.WR, Shutdown.RDWR]));
    else if (act === 6) s.setOption(Level.TCP, pick([TcpOpt.NODELAY, TcpOpt.CORK, TcpOpt.QUICKACK]), below(random, 2));
    else if (act === 7) s.setOption(Level.SOCKET, pick([So.KEEPALIVE, So.OOBINLINE]), below(random, 2));
    else {
      if (chance(random, 0.2)) s.setOption(Level.SOCKET, So.LINGER, [1, 0]);
      if (chance(random, 0.2)) s.connect(null, 0);
      s.close();
      sockets.splice(sockets.indexOf(s), 1);
    }
    s.poll();
    s.getOption(Level.TCP, TcpOpt.INFO);
  };

  for (let i = 0; i < STEPS; i++) {
    if (chance(random, 0.6)) segment();
    else call();
    w.sim.pass(chance(random, 0.1) ? below(random, 2_000_000) : 500);
    listen();
    if (i % 20 === 0) expectSums(w.host.ledger);
  }
  for (const s of sockets) s.close();
  w.listener.close();
  w.peer.answerArp = true;
  w.sim.pass(3_000_000_000); // an orphan may probe a closed window for long
  return w;
}

describe('random lives', () => {
  for (let seed = 1; seed <= 64; seed++) {
    const ecn = seed > 40;
    it(`seed ${seed}${ecn ? ', ECN of any kind,' : ''} leaves nothing behind`, () => {
      const { host } = life(seed, ecn);
      expectSums(host.ledger);
      const { tcpLayer } = host.stack;
      const rows: number[] = [];
      for (let r = 0; r < host.ledger.maxRows; r++) {
        if (host.ledger.ints[host.ledger.headerAt(r) + Col.kind] !== RowKind.free) rows.push(r);
      }
      expect({ entries: tcpLayer.table.size, orphans: tcpLayer.orphans, rows, port: tcpLayer.ports.inUse(PORT) }).toEqual({
        entries: 0,
        orphans: 0,
        rows: [],
        port: false,
      });
      expect(host.ledger.cells[Tcp.CurrEstab]).toBe(0);
    });
  }
});
