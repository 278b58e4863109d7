/**
 * /proc/net/{tcp,tcp6,udp,udp6} written from rows, in the kernel's exact columns; socket-line.ts reads them.
 *
 * Addresses are hexadecimal words as they lie in memory on a little-endian machine: 10.99.0.1 is 0100630A. Timers count in ticks of
 * 1/100 s. A listener's receive queue is its accept queue. Lines of the IPv4 files are padded, those of the IPv6 files are not.
 */
import { Col, RowKind } from '../ledger/layout.js';
import type { RowView } from '../ledger/row-view.js';
import { swapped } from './socket-line.js';

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
