/**
 * Where everything lies in the ledger's shared memory. One Float64Array holds all cells:
 *
 *   global [CELLS] | unattributed [CELLS] | closed [CELLS] | devices [MAX_DEVICES][DEVICE_CELLS] | gauges [GAUGES]
 *   | history [HISTORY_ROWS][ROW_STRIDE] | blocks of rows
 *
 * and one row is
 *
 *   hot: header of 32 Int32 (= 16 float slots: identity, state, sequence), times, the commonest cells
 *   warm: tcp_info, cells | cold: cells
 *
 * whose three parts lie far apart: a block is [BLOCK_ROWS][PART] hot, then as many warm, then as many cold parts. So the row of a
 * connection that does nothing touches the pages of hot parts only, 9 cache lines of memory; and the distance from a row's hot part to
 * any of its columns is a constant all the same, and one addition finds a cell. (Blocks are larger than a huge page.) Copies of
 * rows (`RowView`, history) have the three parts side by side.
 *
 * The memory is reserved at its maximum in one fixed SharedArrayBuffer: pages that were never touched cost nothing, and a fixed view
 * increments in about 1 ns where a growable one takes 21. Every cell has one writer, the stack's thread; cells are exact to 2^53, which an
 * octet counter at 10 Gb/s reaches after 83 days of full load times 1000, i.e. never in practice.
 */
import { CELLS, counters, Ip, IpExt, ownedCells, Tcp, TcpExt } from '../catalogue/index.js';
import { deviceEntries } from '../catalogue/interface.js';

export const MAX_DEVICES = 8;
export const DEVICE_CELLS = deviceEntries.length;

/** Float index of the blocks. The global cells are the first: a cell's id is its place. */
export const GLOBAL_BASE = 0;
export const UNATTRIBUTED_BASE = CELLS;
export const CLOSED_BASE = 2 * CELLS;
export const DEVICES_BASE = 3 * CELLS;
export const GAUGES_BASE: number = DEVICES_BASE + MAX_DEVICES * DEVICE_CELLS;

/** Where a device's cell lies. @param device 0-based, in the order of Ledger.addDevice @param cell see Dev */
export function deviceCell(device: number, cell: number): number {
  return DEVICES_BASE + device * DEVICE_CELLS + cell;
}

/** How many sockets there are (gauges.ts): TCP rows by TcpState, TIME-WAIT entries among them; sockets by family; octets in their queues. */
export const Gauge = Object.freeze({
  tcpState: 0,
  tcp4: 16,
  tcp6: 17,
  udp4: 18,
  udp6: 19,
  udpLite4: 20,
  udpLite6: 21,
  ping: 22,
  tcpReceiveQueue: 23,
  tcpSendQueue: 24,
  udp4ReceiveQueue: 25,
  udp4SendQueue: 26,
  udp6ReceiveQueue: 27,
  udp6SendQueue: 28,
  /** Pages that TCP's queues take (tcp_mem); kept by TCP's account. */
  tcpPages: 29,
});
const GAUGES = 32;
/** Everything in front of this is published as a whole: global, unattributed, closed, devices, gauges. */
export const PUBLISHED_CELLS: number = GAUGES_BASE + GAUGES;

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
  /** 1 while it is counted in the gauges: from when it is shown. */
  counted: 27,
});
export const HEADER_INTS = 32;
export const HEADER_FLOATS = HEADER_INTS / 2;

/** Row kinds. A UDP endpoint is `endpoint`; a ping socket too. */
export const RowKind = Object.freeze({ free: 0, connection: 1, listener: 2, endpoint: 3, timeWait: 4, request: 5 });
export type RowKind = (typeof RowKind)[keyof typeof RowKind];

/** Float columns: time stamps (µs of the stack's clock) behind the header, and tcp_info under Linux's names in the warm part. */
const timeNames = ['createdUs', 'establishedUs', 'closedUs', 'timerAtUs'] as const;
const tcpInfoNames = [
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
  'tcpi_delivered_ce',
  'tcpi_pacing_rate',
  'tcpi_max_pacing_rate',
  'tcpi_delivery_rate',
  'tcpi_delivery_rate_app_limited',
  'drops',
  'tcpi_received_ce',
  'tcpi_busy_time',
  'tcpi_rwnd_limited',
  'tcpi_sndbuf_limited',
  'tcpi_total_rto',
  'tcpi_total_rto_recoveries',
  'tcpi_total_rto_time',
] as const;
const infoNames = [...timeNames, ...tcpInfoNames] as const;
export type InfoName = (typeof infoNames)[number];
export const infoColumns: readonly InfoName[] = infoNames;

/** Rows of a block; a power of two. */
const BLOCK_BITS = 12;
export const BLOCK_ROWS: number = 1 << BLOCK_BITS;
/** Float offset of the first hot cell from the row's start: what `rowColumns` counts from. */
export const ROW_CELLS_AT: number = HEADER_FLOATS + timeNames.length;

/** The counters nearly every connection moves: they lie in the hot part. IP's first, which UDP rows have as well. */
// biome-ignore format: a table
const HOT_IP = [
  Ip.InReceives, Ip.InDelivers, Ip.OutRequests, Ip.OutTransmits, IpExt.InOctets, IpExt.OutOctets, IpExt.InNoECTPkts, IpExt.InECT0Pkts,
];
// biome-ignore format: a table
const HOT_TCP = [
  Tcp.InSegs, Tcp.OutSegs, Tcp.CurrEstab, Tcp.PassiveOpens, Tcp.ActiveOpens, Tcp.RetransSegs, Tcp.EstabResets, Tcp.OutRsts,
  TcpExt.TCPHPHits, TcpExt.TCPPureAcks, TcpExt.TCPHPAcks, TcpExt.TCPOrigDataSent, TcpExt.TCPDelivered, TcpExt.TCPRcvCoalesce,
  TcpExt.DelayedACKs, TcpExt.DelayedACKLost, TcpExt.TCPLossProbes, TcpExt.TCPTimeouts, TcpExt.TCPKeepAlive, TcpExt.TCPSlowStartRetrans,
  TcpExt.TCPOFOQueue, TcpExt.TCPDSACKOldSent, TcpExt.TCPDSACKRecv, TcpExt.TCPDSACKRecvSegs, TcpExt.TCPSackRecovery, TcpExt.TCPFastRetrans,
  TcpExt.TCPHystartTrainDetect, TcpExt.TCPHystartTrainCwnd, TcpExt.TCPHystartDelayDetect, TcpExt.TCPHystartDelayCwnd,
  TcpExt.TW, TcpExt.TWKilled, TcpExt.TCPAbortOnClose, TcpExt.TCPAbortOnData, TcpExt.TCPWinProbe, TcpExt.TCPSynRetrans,
];

/**
 * The order of cells, by cell id; -1 where rows have none. UDP rows lay their own groups over the places that TCP rows use for Tcp and
 * TcpExt: a row is one or the other.
 */
const order: Int16Array = new Int16Array(CELLS).fill(-1);
export const ROW_CELLS: number = (() => {
  const place = (id: number, at: number) => {
    if (!ownedCells[id] || order[id] !== -1) return 0;
    order[id] = at;
    return 1;
  };
  const isUdp = (g: string) => g.startsWith('Udp');
  const isTcp = (g: string) => g === 'Tcp' || g === 'TcpExt';
  let shared = 0;
  for (const id of HOT_IP) shared += place(id, shared);
  let tcp = shared;
  let udp = shared;
  for (const id of HOT_TCP) tcp += place(id, tcp);
  for (const c of counters) if (isUdp(c.group.name)) udp += place(c.id, udp);
  let rest = Math.max(tcp, udp);
  for (const c of counters) if (!isTcp(c.group.name)) rest += place(c.id, rest);
  for (const c of counters) rest += place(c.id, rest);
  return rest;
})();

/** Floats of one part: whole cache lines, as few as hold everything. */
export const PART: number = (Math.ceil((ROW_CELLS_AT + tcpInfoNames.length + ROW_CELLS) / 3) + 7) & ~7;
/** A row with its parts side by side, as copies have it. */
export const ROW_STRIDE: number = 3 * PART;
/** From a row's hot part to its warm one, and from there to the cold one. */
export const PART_DISTANCE: number = BLOCK_ROWS * PART;
const BLOCK = 3 * PART_DISTANCE;

/** From a place in a copy to the distance in the ledger's memory, from the row's start. */
function spread(at: number): number {
  return Math.floor(at / PART) * PART_DISTANCE + (at % PART);
}
/** Where cell number n of the order lies in a copy: in the hot part, behind tcp_info in the warm one, in the cold one. */
function cellPlace(n: number): number {
  const hot = PART - ROW_CELLS_AT;
  return n < hot ? ROW_CELLS_AT + n : PART + tcpInfoNames.length + n - hot;
}
/** Cell ids to places in a copy of a row; -1 where rows have none. */
export const copyColumns: Int16Array = order.map((n) => (n < 0 ? -1 : cellPlace(n)));
/** Float distance of a counter's cell from the row's start + ROW_CELLS_AT, by cell id; -1 where rows have none. */
export const rowColumns: Int32Array = Int32Array.from(copyColumns, (at) => (at < 0 ? -1 : spread(at) - ROW_CELLS_AT));

const infoPlaces = infoNames.map((_, i) => (i < timeNames.length ? HEADER_FLOATS + i : PART + i - timeNames.length));
type InfoTable = { readonly [K in InfoName]: number };
/** Float distance of an info column from the row's start. */
export const Info = Object.freeze(Object.fromEntries(infoNames.map((n, i) => [n, spread(infoPlaces[i]!)]))) as InfoTable;
/** Its place in a copy. */
export const CopyInfo = Object.freeze(Object.fromEntries(infoNames.map((n, i) => [n, infoPlaces[i]!]))) as InfoTable;
/** How much of the warm part is tcp_info. */
export const WARM_INFO: number = tcpInfoNames.length;

/** How many closed rows are remembered. A row's copy lies in slot `closings % HISTORY_ROWS`; slots start on a cache line (8 floats). */
export const HISTORY_ROWS = 64;
export const HISTORY_BASE = (PUBLISHED_CELLS + 7) & ~7;
/** Blocks start on a page: no page holds parts of two kinds. */
export const ROWS_BASE: number = (HISTORY_BASE + HISTORY_ROWS * ROW_STRIDE + 511) & ~511;

/** Float index of a row: its hot part. */
export function rowAt(row: number): number {
  return ROWS_BASE + (row >>> BLOCK_BITS) * BLOCK + (row & (BLOCK_ROWS - 1)) * PART;
}
/** Int32 index of a row's header. */
export function headerAt(row: number): number {
  return rowAt(row) * 2;
}
/** Floats of memory for so many rows and everything in front of them. A small ledger's only block ends with its last cold part. */
export function ledgerFloats(maxRows: number): number {
  return maxRows === 0 ? ROWS_BASE : rowAt(maxRows - 1) + 2 * PART_DISTANCE + PART;
}

/** Which rows have a column: every row, TCP rows only, UDP rows only. By cell id. */
const columnKind: Uint8Array = new Uint8Array(CELLS);
for (const c of counters) {
  if (c.group.name === 'Tcp' || c.group.name === 'TcpExt') columnKind[c.id] = 1;
  else if (c.group.name.startsWith('Udp')) columnKind[c.id] = 2;
}

/** Does a row of this protocol (6 TCP, 17 UDP, 136 UDP-Lite, 1 ICMP) own this cell id? */
export function rowOwns(protocol: number, id: number): boolean {
  if (copyColumns[id]! < 0) return false;
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
