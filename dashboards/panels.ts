/** What the Overview shows, as a table: rows of panels, each with its unit, its queries and why one looks at it. */
import { level, meaning, per, perSum, rateOf, raw, SELECTOR, type Series, share } from './query.js';

export interface PanelSpec {
  readonly title: string;
  /** Why one looks at it. The meanings of its counters are added behind. */
  readonly why: string;
  /** Grafana's unit id. */
  readonly unit: 'Bps' | 'pps' | 'cps' | 'short' | 'percentunit' | 's' | 'ops';
  readonly kind: 'timeseries' | 'stat';
  readonly stacked?: boolean;
  readonly series: readonly Series[];
}
export interface RowSpec {
  readonly title: string;
  readonly panels: readonly PanelSpec[];
}

type Rest = Omit<PanelSpec, 'kind' | 'title' | 'unit' | 'series'>;
const graph = (title: string, unit: PanelSpec['unit'], rest: Rest, ...series: Series[]): PanelSpec => ({
  kind: 'timeseries',
  title,
  unit,
  series,
  ...rest,
});
const stat = (title: string, unit: PanelSpec['unit'], rest: Rest, ...series: Series[]): PanelSpec => ({
  kind: 'stat',
  title,
  unit,
  series,
  ...rest,
});

/** The panel's words, and the meaning of each counter in it. */
export function descriptionOf(panel: PanelSpec): string {
  const keys = [...new Set(panel.series.flatMap((s) => s.keys))];
  return [panel.why, ...keys.map((k) => `- \`${k}\`: ${meaning(k)}`)].join('\n');
}

const now: RowSpec = {
  title: 'Now',
  panels: [
    stat('Received', 'Bps', { why: 'Octets of IP datagrams that came in.' }, per('IpExt.InOctets', 'in')),
    stat('Sent', 'Bps', { why: 'Octets of IP datagrams that went out.' }, per('IpExt.OutOctets', 'out')),
    stat('Established', 'short', { why: 'TCP connections that can carry data now.' }, level('Tcp.CurrEstab', 'established')),
    stat(
      'Retransmitted',
      'percentunit',
      { why: 'Share of TCP segments that were sent again: the first number to look at when transfers are slow.' },
      share('Tcp.RetransSegs', 'Tcp.OutSegs', 'of all segments'),
    ),
    stat(
      'Counting for',
      's',
      { why: 'Time since counting began; a fall means that the daemon was started anew.' },
      raw(`max(time() - tsnetstat_start_time_seconds{${SELECTOR}})`, 'uptime'),
    ),
    stat(
      'Exact snapshots',
      'percentunit',
      { why: 'Share of instances whose last scrape was exact at a batch border; below 1 the stack did not answer in time.' },
      raw(`avg(tsnetstat_snapshot_consistent{${SELECTOR}})`, 'consistent'),
    ),
  ],
};

const traffic: RowSpec = {
  title: 'Traffic',
  panels: [
    graph(
      'IP throughput',
      'Bps',
      { why: 'Octets per second at the IP layer.' },
      per('IpExt.InOctets', 'in'),
      per('IpExt.OutOctets', 'out'),
    ),
    graph(
      'IP datagrams',
      'pps',
      { why: 'With offloads a super-frame counts as one datagram, as on Linux.' },
      per('Ip.InReceives', 'received'),
      per('Ip.InDelivers', 'delivered'),
      per('Ip.OutRequests', 'sent'),
    ),
    graph(
      'TCP segments',
      'pps',
      { why: 'Sent segments are counted on the wire, received ones as the link gave them.' },
      per('Tcp.InSegs', 'in'),
      per('Tcp.OutSegs', 'out'),
    ),
    graph(
      'UDP datagrams',
      'pps',
      { why: 'Datagrams per second to and from sockets.' },
      per('Udp.InDatagrams', 'in'),
      per('Udp.OutDatagrams', 'out'),
    ),
    graph(
      'ICMP messages by type',
      'pps',
      { why: 'Types as IANA numbers them: 0 echo reply, 3 unreachable, 8 echo request, 11 time exceeded.' },
      raw(`sum by (type) (rate(tsnetstat_icmp_msg_in_total{${SELECTOR}}[$__rate_interval]))`, 'in type {{type}}'),
      raw(`sum by (type) (rate(tsnetstat_icmp_msg_out_total{${SELECTOR}}[$__rate_interval]))`, 'out type {{type}}'),
    ),
    graph(
      'Frames by device',
      'pps',
      { why: 'What the links took and gave, per device.' },
      raw(`sum by (device) (rate(tsnetstat_device_receive_packets_total{${SELECTOR}}[$__rate_interval]))`, '{{device}} in'),
      raw(`sum by (device) (rate(tsnetstat_device_transmit_packets_total{${SELECTOR}}[$__rate_interval]))`, '{{device}} out'),
    ),
  ],
};

const handshakes: RowSpec = {
  title: 'Handshakes',
  panels: [
    graph(
      'Opens',
      'cps',
      { why: 'New connections by who began.' },
      per('Tcp.ActiveOpens', 'active'),
      per('Tcp.PassiveOpens', 'passive'),
    ),
    graph(
      'Failures and resets',
      'cps',
      { why: 'Connections that did not come about, or ended by a reset.' },
      per('Tcp.AttemptFails', 'attempts failed'),
      per('Tcp.EstabResets', 'reset while established'),
      per('Tcp.OutRsts', 'resets sent'),
    ),
    graph(
      'SYN queue and accept queue',
      'cps',
      { why: 'Anything but 0 means that a listener cannot keep up: its backlog, or the program that should accept.' },
      per('TcpExt.ListenOverflows', 'accept queue full'),
      per('TcpExt.ListenDrops', 'listener dropped'),
      per('TcpExt.TCPReqQFullDrop', 'SYN queue full, dropped'),
      per('TcpExt.TCPReqQFullDoCookies', 'SYN queue full, cookie sent'),
    ),
    graph(
      'SYN cookies and SYN retransmissions',
      'cps',
      { why: 'Cookies stand for a SYN flood; retransmitted SYNs for peers that do not answer.' },
      per('TcpExt.SyncookiesSent', 'cookies sent'),
      per('TcpExt.SyncookiesRecv', 'cookies good'),
      per('TcpExt.SyncookiesFailed', 'cookies bad'),
      per('TcpExt.TCPSynRetrans', 'SYN or SYN-ACK again'),
    ),
  ],
};

const retransmissions: RowSpec = {
  title: 'Retransmissions',
  panels: [
    graph(
      'Retransmitted segments by cause',
      'pps',
      { why: 'Fast retransmissions are the cheap kind; timeouts are the ones that users feel.' },
      per('Tcp.RetransSegs', 'all'),
      per('TcpExt.TCPFastRetrans', 'fast'),
      per('TcpExt.TCPSlowStartRetrans', 'after a timeout'),
      per('TcpExt.TCPLossProbes', 'loss probes'),
      per('TcpExt.TCPLostRetransmit', 'lost again'),
    ),
    graph(
      'Share of segments retransmitted',
      'percentunit',
      { why: 'Retransmitted of all segments sent.' },
      share('Tcp.RetransSegs', 'Tcp.OutSegs', 'retransmitted'),
    ),
    graph(
      'Timeouts and recoveries',
      'ops',
      { why: 'How often the retransmission timer fired and how often recovery by SACK or duplicate ACKs began.' },
      per('TcpExt.TCPTimeouts', 'timeouts'),
      per('TcpExt.TCPSackRecovery', 'SACK recovery'),
      per('TcpExt.TCPRenoRecovery', 'Reno recovery'),
      perSum(
        ['TcpExt.TCPFullUndo', 'TcpExt.TCPPartialUndo', 'TcpExt.TCPDSACKUndo', 'TcpExt.TCPLossUndo'],
        'undone: it was spurious',
      ),
    ),
    graph(
      'Reordering and the out-of-order queue',
      'pps',
      { why: 'Segments that came before their turn, and what reordering was found by.' },
      per('TcpExt.TCPOFOQueue', 'queued out of order'),
      per('TcpExt.TCPOFODrop', 'dropped'),
      per('TcpExt.TCPOFOMerge', 'already there'),
      per('TcpExt.TCPSACKReorder', 'seen by SACK'),
      per('TcpExt.TCPTSReorder', 'seen by time stamp'),
    ),
  ],
};

const drops: RowSpec = {
  title: 'Drops and errors',
  panels: [
    graph(
      'IP',
      'pps',
      { why: 'Datagrams that went nowhere, by why.' },
      per('Ip.InHdrErrors', 'bad header'),
      per('Ip.InAddrErrors', 'bad address'),
      per('Ip.InDiscards', 'in discarded'),
      per('Ip.OutDiscards', 'out discarded'),
      per('Ip.OutNoRoutes', 'no route'),
      per('Ip.ReasmFails', 'reassembly failed'),
    ),
    graph(
      'TCP',
      'pps',
      { why: 'Bad segments and dropped data.' },
      per('Tcp.InErrs', 'bad'),
      per('Tcp.InCsumErrors', 'bad checksum'),
      per('TcpExt.TCPRcvQDrop', 'receive queue full'),
      per('TcpExt.TCPBacklogDrop', 'backlog full'),
      per('TcpExt.TCPZeroWindowDrop', 'beyond a zero window'),
    ),
    graph(
      'UDP',
      'pps',
      { why: 'Datagrams that no program got.' },
      per('Udp.NoPorts', 'no such port'),
      per('Udp.InErrors', 'in errors'),
      per('Udp.RcvbufErrors', 'receive buffer full'),
      per('Udp.InCsumErrors', 'bad checksum'),
    ),
    graph(
      'Connections aborted',
      'cps',
      { why: 'Connections that this side ended by force, by why.' },
      per('TcpExt.TCPAbortOnData', 'bad data'),
      per('TcpExt.TCPAbortOnClose', 'closed with data unread'),
      per('TcpExt.TCPAbortOnTimeout', 'timeout'),
      per('TcpExt.TCPAbortOnMemory', 'no memory'),
      per('TcpExt.TCPAbortOnLinger', 'linger'),
      per('TcpExt.TCPAbortFailed', 'failed'),
    ),
    graph(
      'Devices',
      'pps',
      { why: 'Frames that a link could not take or give, over all devices.' },
      raw(rateOf('tsnetstat_device_receive_errs_total'), 'receive errors'),
      raw(rateOf('tsnetstat_device_receive_drop_total'), 'receive dropped'),
      raw(rateOf('tsnetstat_device_transmit_errs_total'), 'transmit errors'),
      raw(rateOf('tsnetstat_device_transmit_drop_total'), 'transmit dropped'),
    ),
  ],
};

const connections: RowSpec = {
  title: 'Connections',
  panels: [
    graph(
      'By state',
      'short',
      {
        why: 'Every TCP connection, listener and request by state. CLOSE_WAIT that grows is a program that forgets to close.',
        stacked: true,
      },
      raw(`sum by (state) (tsnetstat_connections{${SELECTOR}})`, '{{state}}'),
    ),
    graph(
      'Rows',
      'short',
      { why: 'Connections, listeners and endpoints that have counters of their own, and how many there can be.' },
      raw(`sum(tsnetstat_rows_used{${SELECTOR}})`, 'used'),
      raw(`sum(tsnetstat_rows_limit{${SELECTOR}})`, 'limit'),
    ),
    graph(
      'TIME-WAIT',
      'cps',
      { why: 'Connections that ended in good order from this side.' },
      per('TcpExt.TW', 'ended'),
      per('TcpExt.TWRecycled', 'recycled'),
      per('TcpExt.TCPTimeWaitOverflow', 'overflow'),
    ),
    graph(
      'Time of a scrape',
      's',
      { why: 'What a scrape costs the daemon: the mean, by page.' },
      raw(
        `sum by (path) (rate(tsnetstat_scrape_duration_seconds_sum{${SELECTOR}}[$__rate_interval])) / sum by (path) (rate(tsnetstat_scrape_duration_seconds_count{${SELECTOR}}[$__rate_interval]))`,
        '{{path}}',
      ),
    ),
  ],
};

export const overviewRows: readonly RowSpec[] = [now, traffic, handshakes, retransmissions, drops, connections];
