/**
 * A peer so near that its answer waits on the link before the batch is over in which the stack sent the question. With one time for the
 * whole batch the handshake would take no time at all: SRTT an eighth of a microsecond, RACK's reordering window nothing, and a segment is
 * taken for lost by the ACK that only says that another arrived. The scenario and the figures of its recovery are those of a Linux 6.18
 * under BBR: a time-out that F-RTO finds spurious, then RACK's timer, which sends all seven that are left.
 */
import { describe, expect, it } from 'vitest';
import { Ledger } from '../../../mib/ledger/ledger.js';
import { createLedgerMemory } from '../../../mib/ledger/memory.js';
import { SeededRandom } from '../../../stack/core/random.js';
import type { StreamSocket } from '../../../stack/socket/socket.js';
import { Stack } from '../../../stack/stack.js';
import type { TcpSocket } from '../../../stack/tcp/socket.js';
import {
  arp,
  type Bytes,
  bytes,
  EtherType,
  ethernet,
  filler,
  ipv4,
  Proto,
  parseFrame,
  TcpFlag,
  tcp,
} from '../../support/frames.js';
import { LedgerWatch } from '../../support/ledger.js';
import { linkKinds, SuperLink } from '../../support/super-link.js';
import { option } from '../../support/tcp-peer.js';

const { SYN, ACK } = TcpFlag;
const HOST = '10.99.0.1';
const PEER = '10.99.0.2';
const MACS = ['02:00:00:00:00:01', '02:00:00:00:00:02'] as const;
const ISN = 5000;
/** What the stack takes for a batch, and so the round trip of an answer within one. */
const BATCH_US = 400;

class NearPeer {
  nowUs = 1_000_000;
  readonly ledger = new Ledger(createLedgerMemory(16), this.nowUs, 0);
  readonly link = new SuperLink(linkKinds.plain);
  readonly stack: Stack;
  readonly listener: StreamSocket;
  theirIsn = 0;
  /** Times and numbers of the data segments that left. */
  sent: [number, number][] = [];

  constructor() {
    const { ledger, nowUs } = this;
    const secret = new Uint8Array(16);
    const clock = () => (this.nowUs += BATCH_US);
    this.stack = new Stack({ ledger, random: new SeededRandom(1), secret, nowUs, clock });
    this.stack.env.sysctl.set('net.ipv4.tcp_congestion_control', 'bbr');
    this.stack.addDevice(this.link, { mac: MACS[0], addresses: [`${HOST}/24`] });
    this.link.onFrame = (p) => {
      const f = parseFrame(p.bytes.slice(p.data, p.tail));
      if (f.kind !== 'tcp') return;
      if (f.flags & SYN) {
        this.theirIsn = f.seq;
        this.segment(1, 1, ACK); // at once, while the batch goes on
      } else if (f.data.length > 0) this.sent.push([this.nowUs, (f.seq - this.theirIsn) >>> 0]);
    };
    const request = arp({ op: 1, senderMac: MACS[1], sender: PEER, target: HOST });
    this.link.inject(ethernet('ff:ff:ff:ff:ff:ff', MACS[1], EtherType.arp, request));
    this.listener = this.stack.tcp(4);
    this.listener.bind(null, 80);
    this.listener.listen(5);
    this.pass(0); // what is left of the first frames' time
  }

  segment(seq: number, ack: number, flags: number, options?: Bytes): void {
    const numbers = { seq: ISN + seq, ack: flags & SYN ? 0 : (this.theirIsn + ack) >>> 0 };
    const fields = { src: PEER, dst: HOST, sport: 40000, dport: 80, ...numbers, flags, options };
    const packet = ipv4({ src: PEER, dst: HOST, protocol: Proto.tcp, df: true }, tcp(fields));
    this.link.inject(ethernet(MACS[0], MACS[1], EtherType.ipv4, packet, false));
  }

  pass(us: number): void {
    const until = this.nowUs + us;
    for (;;) {
      while (this.stack.poll(this.nowUs));
      const next = this.stack.nextDeadlineUs();
      if (next > until) break;
      this.nowUs = Math.max(this.nowUs, Math.ceil(next));
    }
    this.nowUs = Math.max(this.nowUs, until);
  }

  open(): TcpSocket {
    this.segment(0, 0, SYN, bytes(option.mss(1460), option.sackOk));
    this.pass(1000);
    return this.listener.accept() as TcpSocket;
  }
}

describe('an answer within the batch that asked', () => {
  it('took the time that the clock says', () => {
    const near = new NearPeer();
    const info = near.open().connection!.info();
    expect([info.tcpi_rtt, info.tcpi_min_rtt]).toEqual([BATCH_US, BATCH_US]);
  });

  it('leaves RACK its reordering window: a spurious time-out is repaired as by the kernel', () => {
    const near = new NearPeer();
    const socket = near.open();
    const watch = new LedgerWatch(near.ledger);
    const data = filler(10 * 1460);
    expect(socket.send(data, 0, data.length, 0)).toBe(data.length);
    near.pass(600_000);
    expect(near.sent.splice(0).map(([, seq]) => (seq - 1) / 1460)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 0]);
    near.segment(1, 1 + 3 * 1460, ACK);
    const answeredUs = near.nowUs;
    near.pass(50_000);
    expect(near.sent.map(([, seq]) => (seq - 1) / 1460)).toEqual([3, 4, 5, 6, 7, 8, 9]);
    expect(near.sent.every(([us]) => us - answeredUs >= 8000)).toBe(true);
    near.segment(1, 1 + 10 * 1460, ACK);
    near.pass(100_000);
    expect(watch.delta()).toMatchObject({
      'Tcp.RetransSegs': 9,
      'TcpExt.TCPSackRecovery': 1,
      'TcpExt.TCPLossUndo': 1,
      'TcpExt.TCPFastRetrans': 7,
      'TcpExt.TCPTimeouts': 1,
      'TcpExt.TCPLossProbes': 1,
      'TcpExt.TCPSpuriousRTOs': 1,
      'TcpExt.TCPOrigDataSent': 10,
      'TcpExt.TCPDelivered': 10,
      'TcpExt.TcpTimeoutRehash': 1,
    });
  });
});
