/**
 * /proc/net/{tcp,tcp6,udp,udp6} written from rows, in the kernel's exact columns, and their lines read (raw and udplite look the same).
 *
 * Addresses are hexadecimal words as they lie in memory on a little-endian machine: 10.99.0.1 is 0100630A. Timers count in ticks of
 * 1/100 s. A listener's receive queue is its accept queue. Lines of the IPv4 files are padded, those of the IPv6 files are not.
 */
import { Col, RowKind } from '../ledger/layout.js';
import type { RowView } from '../ledger/row-view.js';
import { addressText } from './address.js';

const TCP_WIDTH = 149;
const UDP_WIDTH = 127;
const HEAD4 = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const HEAD6 =
  '  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const UDP_TAIL = ' ref pointer drops';
const USER_TICK_US = 10_000;
/** What the kernel prints for a socket's address to whoever may not see it. */
const NO_POINTER = '0000000000000000';

function hex(n: number, width: number): string {
  return (n >>> 0).toString(16).toUpperCase().padStart(width, '0');
}
function swapped(word: number): number {
  return ((word >>> 24) | ((word >>> 8) & 0xff00) | ((word << 8) & 0xff0000) | (word << 24)) >>> 0;
}

function end(row: RowView, column: number, port: number): string {
  let text = '';
  for (let i = row.family === 4 ? 3 : 0; i < 4; i++) text += hex(swapped(row.ints[column + i]!), 8);
  return `${text}:${hex(port, 4)}`;
}

function ends(row: RowView): string {
  return `${end(row, Col.local, row.localPort)} ${end(row, Col.remote, row.remotePort)}`;
}

function ticks(us: number): number {
  return Math.max(0, Math.round(us / USER_TICK_US));
}

function timer(row: RowView, nowUs: number): string {
  const kind = row.column(Col.timerKind);
  return `${hex(kind, 2)}:${hex(kind === 0 ? 0 : ticks(row.info('timerAtUs') - nowUs), 8)}`;
}

function tcpLine(row: RowView, number: number, nowUs: number): string {
  const head = `${String(number).padStart(4)}: ${ends(row)}`;
  const u = (n: number, width: number) => String(n >>> 0).padStart(width);
  const uid = u(row.column(Col.uid), 5);
  const retransmits = hex(row.column(Col.retransmits), 8);
  if (row.kind === RowKind.timeWait) {
    return `${head} ${hex(row.state, 2)} 00000000:00000000 ${timer(row, nowUs)} 00000000 ${u(0, 5)} ${u(0, 8)} 0 3 ${NO_POINTER}`;
  }
  if (row.kind === RowKind.request) {
    return `${head} 03 00000000:00000000 ${timer(row, nowUs)} ${retransmits} ${uid} ${u(0, 8)} 0 0 ${NO_POINTER}`;
  }
  const listening = row.kind === RowKind.listener;
  const queues = `${hex(listening ? 0 : row.column(Col.sendQ), 8)}:${hex(row.column(Col.recvQ), 8)}`;
  const threshold = row.info('tcpi_snd_ssthresh');
  const congestion = listening
    ? '100 0 0 10 0'
    : [
        ticks(row.info('tcpi_rto')),
        ticks(row.info('tcpi_ato')),
        0,
        row.info('tcpi_snd_cwnd'),
        threshold >= 0x7fffffff || threshold === 0 ? -1 : threshold,
      ].join(' ');
  const state = row.state === 12 ? 3 : row.state;
  return `${head} ${hex(state, 2)} ${queues} ${timer(row, nowUs)} ${retransmits} ${uid} ${u(row.column(Col.probes), 8)} ${u(row.column(Col.inode), 0)} 1 ${NO_POINTER} ${congestion}`;
}

function udpLine(row: RowView): string {
  const queues = `${hex(row.column(Col.sendQ), 8)}:${hex(row.column(Col.recvQ), 8)}`;
  const u = (n: number, width: number) => String(n >>> 0).padStart(width);
  return `${u(row.localPort, 5)}: ${ends(row)} ${hex(row.state, 2)} ${queues} 00:00000000 00000000 ${u(row.column(Col.uid), 5)} ${u(0, 8)} ${u(row.column(Col.inode), 0)} 2 ${NO_POINTER} ${row.info('drops')}`;
}

/** /proc/net/tcp or tcp6. @param rows of any kind: what does not belong there is left out; @param nowUs the stack's clock */
export function procTcp(rows: Iterable<RowView>, family: 4 | 6, nowUs: number): string {
  const mine = [...rows].filter((r) => r.protocol === 6 && r.family === family);
  const order = [...mine.filter((r) => r.kind === RowKind.listener), ...mine.filter((r) => r.kind !== RowKind.listener)];
  const pad = (line: string) => (family === 4 ? line.padEnd(TCP_WIDTH) : line);
  return [family === 4 ? HEAD4 : HEAD6, ...order.map((r, i) => tcpLine(r, i, nowUs))].map((line) => `${pad(line)}\n`).join('');
}

/** /proc/net/udp or udp6 (udplite, udplite6 with protocol 136). */
export function procUdp(rows: Iterable<RowView>, family: 4 | 6, protocol: 17 | 136 = 17): string {
  const mine = [...rows].filter((r) => r.protocol === protocol && r.family === family);
  const head = family === 4 ? ` ${HEAD4}${UDP_TAIL}` : HEAD6 + UDP_TAIL;
  const pad = (line: string) => (family === 4 ? line.padEnd(UDP_WIDTH) : line);
  return [head, ...mine.map(udpLine)].map((line) => `${pad(line)}\n`).join('');
}

/** One line of such a file. */
export interface SocketLine {
  readonly family: 4 | 6;
  /** Printable, as inet_ntop prints it; IPv4 in an IPv6 file is printed as IPv4. */
  readonly local: string;
  readonly localPort: number;
  readonly remote: string;
  readonly remotePort: number;
  /** No remote address at all: 0.0.0.0 or ::. */
  readonly remoteAny: boolean;
  readonly state: number;
  readonly sendQ: number;
  readonly recvQ: number;
  readonly timer: number;
  /** 1/100 s. */
  readonly timerTicks: number;
  readonly retransmits: number;
  readonly uid: number;
  readonly probes: number;
  readonly inode: number;
}

const LINE =
  /^\s*-?\d+: ([0-9A-Fa-f]{1,64}):([0-9A-Fa-f]+)\s+([0-9A-Fa-f]{1,64}):([0-9A-Fa-f]+)\s+([0-9A-Fa-f]+)\s+([0-9A-Fa-f]+):([0-9A-Fa-f]+)\s+([0-9A-Fa-f]+):([0-9A-Fa-f]+)\s+([0-9A-Fa-f]+)\s+(-?\d+)\s+(-?\d+)\s+(\d+)/;

function wordsOf(text: string): number[] {
  if (text.length <= 8) return [0, 0, 0xffff, swapped(Number.parseInt(text, 16))];
  return [0, 8, 16, 24].map((at) => swapped(Number.parseInt(text.slice(at, at + 8) || '0', 16)));
}

/** Undefined for a line that is none. */
export function readSocketLine(line: string): SocketLine | undefined {
  const m = LINE.exec(line);
  if (!m) return undefined;
  const n = (i: number) => Number.parseInt(m[i]!, 16);
  const family = m[1]!.length > 8 ? 6 : 4;
  const local = wordsOf(m[1]!);
  const remote = wordsOf(m[3]!);
  const text = (w: number[]) =>
    family === 6 && w[0] === 0 && w[1] === 0 && w[2] === 0xffff ? addressText(4, w, 0) : addressText(family, w, 0);
  return {
    family,
    local: text(local),
    localPort: n(2),
    remote: text(remote),
    remotePort: n(4),
    remoteAny: remote.every((w, i) => w === 0 || (family === 4 && i === 2)),
    state: n(5),
    sendQ: n(6),
    recvQ: n(7),
    timer: n(8),
    timerTicks: n(9),
    retransmits: n(10),
    uid: Number(m[11]),
    probes: Number(m[12]),
    inode: Number(m[13]),
  };
}
