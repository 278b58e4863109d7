import type { TcpInfo } from '../socket/socket.js';
import { AccEcn } from './accecn-state.js';
import { Chrono, chronoTotal } from './chrono.js';
import type { Connection } from './connection.js';
import { EcnFlag, INFINITE_SSTHRESH, INIT_CWND, MSS_DEFAULT, NEVER, TIMEOUT_INIT } from './constants.js';
import { deliveryRate } from './delivery-rate.js';
import { TcpState } from './state.js';
import { boutsMs } from './timeout-sums.js';
import { receiveWindow } from './window.js';

/** Bits of tcpi_options. */
const OPT_TIMESTAMPS = 1;
const OPT_SACK = 2;
const OPT_WSCALE = 4;
const OPT_ECN = 8;
const OPT_ECN_SEEN = 16;
const OPT_SYN_DATA = 32;
const OPT_FAST_OPEN_CHILD = 128;
/** A pacing rate without bound: all ones in 64 bits. */
const UNLIMITED = 2 ** 64;

function options(c: Connection): number {
  let o = 0;
  if (c.tsOk) o |= OPT_TIMESTAMPS;
  if (c.sackOk) o |= OPT_SACK;
  if (c.wscaleOk) o |= OPT_WSCALE;
  if (c.ecn & EcnFlag.modes) o |= OPT_ECN;
  if (c.ecn & EcnFlag.seen) o |= OPT_ECN_SEEN;
  if (c.synDataAcked) o |= OPT_SYN_DATA;
  if (c.rare?.fastOpenChild) o |= OPT_FAST_OPEN_CHILD;
  return o;
}
/** Milliseconds since; a never is 0. */
function ago(c: Connection, us: number): number {
  return us === NEVER ? 0 : Math.floor((c.env.nowUs - us) / 1000);
}

/** Time under one of the stopwatch's headings, whole milliseconds in µs as Linux counts in ticks. */
function limited(c: Connection, heading: number): number {
  return Math.floor(chronoTotal(c, heading) / 1000) * 1000;
}

const NOTHING_COUNTED = new AccEcn();
/** RFC 9768's counters: what arrived here, and what the peer says arrived there. */
function accEcnInfo(c: Connection): TcpInfo {
  const a = c.accEcn ?? NOTHING_COUNTED;
  return {
    tcpi_received_ce: a.receivedCe >>> 0,
    tcpi_delivered_e1_bytes: a.deliveredEct1 >>> 0,
    tcpi_delivered_e0_bytes: a.deliveredEct0 >>> 0,
    tcpi_delivered_ce_bytes: a.deliveredCeBytes >>> 0,
    tcpi_received_e1_bytes: a.receivedEct1 >>> 0,
    tcpi_received_e0_bytes: a.receivedEct0 >>> 0,
    tcpi_received_ce_bytes: a.receivedCeBytes >>> 0,
    tcpi_accecn_fail_mode: a.failMode,
    tcpi_accecn_opt_seen: a.optionSeen,
  };
}

/** What the user took in a round trip; until that is known, what it may have. */
function receiveSpace(c: Connection): number {
  if (c.tuned) return c.rcvSpace;
  return c.state === TcpState.SYN_SENT ? 0 : Math.min(c.rcvSsthresh, c.rcvWnd, 10 * c.advmss);
}

export function tcpInfo(c: Connection): TcpInfo {
  const l = c.loss;
  const r = c.rtt;
  return {
    tcpi_state: c.state,
    tcpi_ca_state: l.caState,
    tcpi_retransmits: c.retransmits,
    tcpi_probes: c.probesOut,
    tcpi_backoff: c.backoff,
    tcpi_options: options(c),
    tcpi_snd_wscale: c.sndWscale,
    tcpi_rcv_wscale: c.rcvWscale,
    tcpi_delivery_rate_app_limited: c.rateAppLimited,
    tcpi_fastopen_client_fail: c.fastOpen ? c.fastOpen.failure : 0,
    tcpi_rto: c.rtoUs,
    tcpi_ato: c.atoUs,
    tcpi_snd_mss: c.mssCache,
    tcpi_rcv_mss: c.rcvMss,
    tcpi_unacked: c.packetsOut,
    tcpi_sacked: l.sackedOut,
    tcpi_lost: l.lostOut,
    tcpi_retrans: l.retransOut,
    tcpi_fackets: 0,
    tcpi_last_data_sent: ago(c, c.lsndTimeUs),
    tcpi_last_ack_sent: 0,
    tcpi_last_data_recv: ago(c, c.lrcvTimeUs),
    tcpi_last_ack_recv: ago(c, c.rcvTstampUs),
    tcpi_pmtu: c.pmtu,
    tcpi_rcv_ssthresh: c.rcvSsthresh,
    tcpi_rtt: r.srttUs >>> 3,
    tcpi_rttvar: r.mdevUs >>> 2,
    tcpi_snd_ssthresh: c.sndSsthresh,
    tcpi_snd_cwnd: c.sndCwnd,
    tcpi_advmss: c.advmss,
    tcpi_reordering: l.reordering,
    tcpi_rcv_rtt: c.rcvRttUs / 8,
    tcpi_rcv_space: receiveSpace(c),
    tcpi_total_retrans: c.totalRetrans,
    tcpi_pacing_rate: Math.min(c.pacingRate, UNLIMITED),
    tcpi_max_pacing_rate: Math.min(c.settings.maxPacingRate, UNLIMITED),
    tcpi_bytes_acked: c.bytesAcked,
    tcpi_bytes_received: c.bytesReceived,
    tcpi_segs_out: c.segsOut,
    tcpi_segs_in: c.segsIn,
    tcpi_notsent_bytes: c.unsent(),
    tcpi_min_rtt: r.value,
    tcpi_data_segs_in: c.dataSegsIn,
    tcpi_data_segs_out: c.dataSegsOut,
    tcpi_delivery_rate: deliveryRate(c),
    tcpi_busy_time: limited(c, Chrono.busy) + limited(c, Chrono.receiveWindow) + limited(c, Chrono.sendBuffer),
    tcpi_rwnd_limited: limited(c, Chrono.receiveWindow),
    tcpi_sndbuf_limited: limited(c, Chrono.sendBuffer),
    tcpi_delivered: l.delivered,
    tcpi_delivered_ce: l.deliveredCe,
    tcpi_bytes_sent: c.bytesSent,
    tcpi_bytes_retrans: c.bytesRetrans,
    tcpi_dsack_dups: l.dsackDups,
    tcpi_reord_seen: l.reordSeen,
    tcpi_rcv_ooopack: c.rcvOooPack,
    tcpi_snd_wnd: c.sndWnd,
    tcpi_rcv_wnd: receiveWindow(c),
    tcpi_rehash: c.rare ? c.rare.rehashes : 0,
    tcpi_total_rto: l.totalRto,
    tcpi_total_rto_recoveries: c.rare ? c.rare.timeoutBouts : 0,
    tcpi_total_rto_time: boutsMs(c),
    ...accEcnInfo(c),
  };
}

/** struct tcp_info of Linux 6.18 in its order: name and bytes (0: bits that share the byte of the name before). */
export const tcpInfoFields: readonly (readonly [string, number])[] = [
  ...fields(1, 'state ca_state retransmits probes backoff options snd_wscale'),
  ...fields(0, 'rcv_wscale'),
  ...fields(1, 'delivery_rate_app_limited'),
  ...fields(0, 'fastopen_client_fail'),
  ...fields(
    4,
    'rto ato snd_mss rcv_mss unacked sacked lost retrans fackets last_data_sent last_ack_sent last_data_recv last_ack_recv',
  ),
  ...fields(4, 'pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss reordering rcv_rtt rcv_space total_retrans'),
  ...fields(8, 'pacing_rate max_pacing_rate bytes_acked bytes_received'),
  ...fields(4, 'segs_out segs_in notsent_bytes min_rtt data_segs_in data_segs_out'),
  ...fields(8, 'delivery_rate busy_time rwnd_limited sndbuf_limited'),
  ...fields(4, 'delivered delivered_ce'),
  ...fields(8, 'bytes_sent bytes_retrans'),
  ...fields(4, 'dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd rehash'),
  ...fields(2, 'total_rto total_rto_recoveries'),
  ...fields(4, 'total_rto_time received_ce delivered_e1_bytes delivered_e0_bytes delivered_ce_bytes'),
  ...fields(4, 'received_e1_bytes received_e0_bytes received_ce_bytes'),
  ...fields(2, 'accecn_fail_mode accecn_opt_seen'),
];
function fields(bytes: number, names: string): (readonly [string, number])[] {
  return names.split(' ').map((name) => [`tcpi_${name}`, bytes] as const);
}

const NEVER_MEASURED = 0xffffffff;
/** What a socket shows that has no connection: the values that one would begin with; a listener its queue and its bound. */
export function idleTcpInfo(state: number, unacked: number, sacked: number, reordering: number, pacingRate: number): TcpInfo {
  const info: TcpInfo = {};
  for (const [name] of tcpInfoFields) info[name] = 0;
  info['tcpi_state'] = state;
  info['tcpi_unacked'] = unacked;
  info['tcpi_sacked'] = sacked;
  info['tcpi_snd_cwnd'] = INIT_CWND;
  info['tcpi_reordering'] = reordering;
  info['tcpi_pacing_rate'] = pacingRate;
  info['tcpi_max_pacing_rate'] = pacingRate;
  if (state !== TcpState.CLOSE) return info;
  info['tcpi_delivery_rate_app_limited'] = 1;
  info['tcpi_rto'] = TIMEOUT_INIT;
  info['tcpi_rttvar'] = TIMEOUT_INIT / 4;
  info['tcpi_snd_mss'] = MSS_DEFAULT;
  info['tcpi_snd_ssthresh'] = INFINITE_SSTHRESH;
  info['tcpi_min_rtt'] = NEVER_MEASURED;
  return info;
}
