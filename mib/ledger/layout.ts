/**
 * Where everything lies in the ledger's shared memory. One Float64Array holds all cells:
 *
 *   global [CELLS] | unattributed [CELLS] | closed [CELLS] | devices [MAX_DEVICES][DEVICE_CELLS]
 *   | history [HISTORY_ROWS][ROW_STRIDE] | rows [maxRows][ROW_STRIDE]
 *
 * and one row is
 *
 *   header: 64 Int32 (= 32 float slots): identity, state, sequence | info: float slots (times, tcp_info) | cells
 *
 * The memory is reserved at its maximum in one fixed SharedArrayBuffer: pages that were never touched cost nothing, and a fixed view
 * increments in about 1 ns where a growable one takes 21. Every cell has one writer, the stack's thread; cells are exact to 2^53, which an
 * octet counter at 10 Gb/s reaches after 83 days of full load times 1000, i.e. never in practice.
 */
import { CELLS, counters, Ip, IpExt, ownedCells, Tcp, TcpExt } from '../catalogue/index.js';
import { deviceEntries } from '../catalogue/interface.js';

export const MAX_DEVICES = 8;
export const DEVICE_CELLS = deviceEntries.length;

/** Float index of the blocks. */
export const GLOBAL_BASE = 0;
export const UNATTRIBUTED_BASE = CELLS;
export const CLOSED_BASE = 2 * CELLS;
export const DEVICES_BASE = 3 * CELLS;
/** Everything in front of this is published as a whole: global, unattributed, closed, devices. */
export const PUBLISHED_CELLS = DEVICES_BASE + MAX_DEVICES * DEVICE_CELLS;

/** Int32 columns of a row's header. Addresses are four host-order words; IPv4 is ::ffff:a.b.c.d. */
export const Col = Object.freeze({
  /** Odd while the writer changes the header: readers retry. */
  seq: 0,
  /** Raised at every reuse: a connection's ID is `row.generation`. */
  generation: 1,
  /** RowKind; 0 is a free row. */
  kind: 2,
  /** TcpState for connections and listeners. */
  state: 3,
  /** 4 or 6. */
  family: 4,
  protocol: 5,
  localPort: 6,
  remotePort: 7,
  local: 8,
  remote: 12,
  ifindex: 16,
  /** What /proc/net/tcp calls inode: a socket number, never 0. */
  inode: 17,
  uid: 18,
  /** Bytes waiting: receive and send queue; a listener's accept queue and backlog. */
  recvQ: 19,
  sendQ: 20,
  /** /proc/net/tcp's timer: 0 none, 1 retransmit, 2 keepalive or SYN-ACK, 3 TIME-WAIT, 4 zero-window probe. */
  timerKind: 21,
  retransmits: 22,
  probes: 23,
  /** 1 when this end opened the connection. */
  active: 24,
  /** Row of the listener a passive connection came from, -1 without. */
  listener: 25,
  /** Its own number: for its copy in the history. */
  row: 26,
});
export const HEADER_INTS = 64;
export const HEADER_FLOATS = HEADER_INTS / 2;

/** Row kinds. A UDP endpoint is `endpoint`; a ping socket too. */
export const RowKind = Object.freeze({ free: 0, connection: 1, listener: 2, endpoint: 3, timeWait: 4, request: 5 });
export type RowKind = (typeof RowKind)[keyof typeof RowKind];

/** Float columns after the header: time stamps (µs of the stack's clock) and tcp_info under Linux's names. */
const infoNames = [
  'createdUs',
  'establishedUs',
  'closedUs',
  'timerAtUs',
  'tcpi_ca_state',
  'tcpi_options',
  'tcpi_snd_wscale',
  'tcpi_rcv_wscale',
  'tcpi_rto',
  'tcpi_ato',
  'tcpi_snd_mss',
  'tcpi_rcv_mss',
  'tcpi_unacked',
  'tcpi_sacked',
  'tcpi_lost',
  'tcpi_retrans',
  'tcpi_last_data_sent',
  'tcpi_last_data_recv',
  'tcpi_pmtu',
  'tcpi_rcv_ssthresh',
  'tcpi_rtt',
  'tcpi_rttvar',
  'tcpi_snd_ssthresh',
  'tcpi_snd_cwnd',
  'tcpi_advmss',
  'tcpi_reordering',
  'tcpi_rcv_space',
  'tcpi_total_retrans',
  'tcpi_bytes_acked',
  'tcpi_bytes_received',
  'tcpi_segs_out',
  'tcpi_segs_in',
  'tcpi_notsent_bytes',
  'tcpi_min_rtt',
  'tcpi_data_segs_in',
  'tcpi_data_segs_out',
  'tcpi_delivered',
  'tcpi_bytes_sent',
  'tcpi_bytes_retrans',
  'tcpi_dsack_dups',
  'tcpi_reord_seen',
  'tcpi_rcv_ooopack',
  'tcpi_snd_wnd',
  'tcpi_rcv_wnd',
  'drops',
] as const;
export type InfoName = (typeof infoNames)[number];
export const infoColumns: readonly InfoName[] = infoNames;
/** Float offset of an info column from the row's start. */
export const Info = Object.freeze(Object.fromEntries(infoNames.map((n, i) => [n, HEADER_FLOATS + i]))) as {
  readonly [K in InfoName]: number;
};
export const ROW_CELLS_AT = (HEADER_FLOATS + infoNames.length + 7) & ~7;

/** The counters nearly every connection moves: they share a row's first cache lines. */
// biome-ignore format: a table
const HOT = [
  Ip.InReceives, Ip.InDelivers, Ip.OutRequests, Ip.OutTransmits, IpExt.InOctets, IpExt.OutOctets, IpExt.InNoECTPkts,
  Tcp.InSegs, Tcp.OutSegs, TcpExt.TCPHPHits, TcpExt.TCPPureAcks, TcpExt.TCPHPAcks, TcpExt.TCPOrigDataSent,
  TcpExt.TCPDelivered, TcpExt.TCPRcvCoalesce, TcpExt.DelayedACKs,
];

/**
 * Float offset of a counter's cell from the row's cells, by cell id; -1 where rows have none. UDP rows lay their own groups over the
 * columns that TCP rows use for Tcp and TcpExt: a row is one or the other.
 */
export const rowColumns: Int16Array = new Int16Array(CELLS).fill(-1);
export const ROW_CELLS: number = (() => {
  let shared = 0;
  const place = (id: number, at: number) => {
    if (ownedCells[id] && rowColumns[id] === -1) {
      rowColumns[id] = at;
      return 1;
    }
    return 0;
  };
  for (const id of HOT) shared += place(id, shared);
  const isUdp = (g: string) => g.startsWith('Udp');
  const isTcp = (g: string) => g === 'Tcp' || g === 'TcpExt';
  for (const c of counters) if (!isUdp(c.group.name) && !isTcp(c.group.name)) shared += place(c.id, shared);
  let tcp = shared;
  let udp = shared;
  for (const c of counters) {
    if (isTcp(c.group.name)) tcp += place(c.id, tcp);
    if (isUdp(c.group.name)) udp += place(c.id, udp);
  }
  return Math.max(tcp, udp);
})();
export const ROW_STRIDE = (ROW_CELLS_AT + ROW_CELLS + 7) & ~7;

/** How many closed rows are remembered. A row's copy lies in slot `closings % HISTORY_ROWS`; slots start on a cache line (8 floats). */
export const HISTORY_ROWS = 64;
export const HISTORY_BASE = (PUBLISHED_CELLS + 7) & ~7;
/** Rows start on a cache line, too. */
export const ROWS_BASE = HISTORY_BASE + HISTORY_ROWS * ROW_STRIDE;

/** Float index of a row. */
export function rowAt(row: number): number {
  return ROWS_BASE + row * ROW_STRIDE;
}
/** Int32 index of a row's header. */
export function headerAt(row: number): number {
  return (ROWS_BASE + row * ROW_STRIDE) * 2;
}

/** Which rows have a column: every row, TCP rows only, UDP rows only. By cell id. */
const columnKind: Uint8Array = new Uint8Array(CELLS);
for (const c of counters) {
  if (c.group.name === 'Tcp' || c.group.name === 'TcpExt') columnKind[c.id] = 1;
  else if (c.group.name.startsWith('Udp')) columnKind[c.id] = 2;
}

/** Does a row of this protocol (6 TCP, 17 UDP, 136 UDP-Lite, 1 ICMP) own this cell id? */
export function rowOwns(protocol: number, id: number): boolean {
  if (rowColumns[id]! < 0) return false;
  const kind = columnKind[id];
  return kind === 0 || (kind === 1) === (protocol === 6);
}

function ownedBy(protocol: number): Int16Array {
  const owned: number[] = [];
  for (let id = 0; id < CELLS; id++) if (rowOwns(protocol, id)) owned.push(id);
  return Int16Array.from(owned);
}
const tcpIds = ownedBy(6);
const otherIds = ownedBy(17);

/** The cell ids that a row of this protocol owns, ascending. */
export function rowIds(protocol: number): Int16Array {
  return protocol === 6 ? tcpIds : otherIds;
}
