/**
 * Sysctls: Linux's names and defaults, held in shared memory so that they can be set at run time from another thread, read on the hot path
 * as plain numbers: `sysctl.values[Sysctl.tcp_sack]`. What Linux derives from memory size is fixed as on a 4 GiB machine. One row a name;
 * a name with several numbers (tcp_rmem) takes consecutive cells. Times are in the unit that Linux shows.
 */
type Default = readonly number[];
interface Row<N extends string = string> {
  readonly name: N;
  readonly values: Default;
  /** Allowed range of each number. */
  readonly min: number;
  readonly max: number;
}
const row = <const N extends string>(name: N, values: number | Default, min = 0, max = 0x7fffffff): Row<N> => ({
  name,
  values: typeof values === 'number' ? [values] : values,
  min,
  max,
});

/** Numbers of congestion control algorithms, whose text form is the name; a list of them is a mask of bits. */
export const CongestionNames = ['cubic', 'reno', 'bbr', 'dctcp'] as const;
const ALL_CONGESTION = (1 << CongestionNames.length) - 1;
/** For networks of one owner only (RFC 8257 5): who may choose it has to be said. */
const RESTRICTED = 1 << CongestionNames.indexOf('dctcp');

const rows = [
  // IPv4
  row('net.ipv4.ip_forward', 0, 0, 1),
  row('net.ipv4.ip_default_ttl', 64, 1, 255),
  row('net.ipv4.ip_no_pmtu_disc', 0, 0, 3),
  row('net.ipv4.ip_local_port_range', [32768, 60999], 1, 65535),
  row('net.ipv4.ip_nonlocal_bind', 0, 0, 1),
  row('net.ipv4.ipfrag_time', 30),
  row('net.ipv4.ipfrag_high_thresh', 4194304),
  row('net.ipv4.ipfrag_low_thresh', 3145728),
  row('net.ipv4.ipfrag_max_dist', 64),
  row('net.ipv4.icmp_echo_ignore_all', 0, 0, 1),
  row('net.ipv4.icmp_echo_ignore_broadcasts', 1, 0, 1),
  row('net.ipv4.icmp_ignore_bogus_error_responses', 1, 0, 1),
  row('net.ipv4.icmp_ratelimit', 1000),
  row('net.ipv4.icmp_ratemask', 6168),
  row('net.ipv4.icmp_msgs_per_sec', 1000),
  row('net.ipv4.icmp_msgs_burst', 50),
  row('net.ipv4.ping_group_range', [1, 0], 0, 4294967295),
  row('net.ipv4.conf.all.accept_source_route', 0, 0, 1),
  row('net.ipv4.conf.all.rp_filter', 0, 0, 2),
  row('net.ipv4.conf.all.arp_filter', 0, 0, 1),
  row('net.ipv4.conf.all.accept_redirects', 1, 0, 1),
  row('net.ipv4.conf.all.send_redirects', 1, 0, 1),
  row('net.ipv4.conf.all.log_martians', 0, 0, 1),
  row('net.ipv4.conf.all.force_igmp_version', 0, 0, 3),
  row('net.ipv4.conf.all.igmpv2_unsolicited_report_interval', 10000),
  row('net.ipv4.conf.all.igmpv3_unsolicited_report_interval', 1000),
  row('net.ipv4.route.min_pmtu', 552),
  row('net.ipv4.route.mtu_expires', 600),
  row('net.ipv4.igmp_link_local_mcast_reports', 1, 0, 1),
  row('net.ipv4.igmp_max_memberships', 20),
  row('net.ipv4.igmp_qrv', 2, 1, 7),
  // neighbours
  row('net.ipv4.neigh.default.base_reachable_time_ms', 30000),
  row('net.ipv4.neigh.default.retrans_time_ms', 1000),
  row('net.ipv4.neigh.default.mcast_solicit', 3),
  row('net.ipv4.neigh.default.ucast_solicit', 3),
  row('net.ipv4.neigh.default.delay_first_probe_time', 5),
  row('net.ipv4.neigh.default.gc_stale_time', 60),
  row('net.ipv4.neigh.default.unres_qlen_bytes', 212992),
  row('net.ipv4.neigh.default.gc_thresh3', 1024),
  // IPv6
  row('net.ipv6.auto_flowlabels', 1, 0, 3),
  row('net.ipv6.ip6frag_high_thresh', 4194304),
  row('net.ipv6.ip6frag_low_thresh', 3145728),
  row('net.ipv6.ip6frag_time', 60),
  row('net.ipv6.route.mtu_expires', 600),
  row('net.ipv6.icmp.ratelimit', 1000),
  row('net.ipv6.icmp.echo_ignore_all', 0, 0, 1),
  row('net.ipv6.icmp.echo_ignore_multicast', 0, 0, 1),
  row('net.ipv6.mld_qrv', 2, 1, 7),
  row('net.ipv6.conf.all.disable_ipv6', 0, 0, 1),
  row('net.ipv6.conf.all.forwarding', 0, 0, 1),
  row('net.ipv6.conf.all.hop_limit', 64, 1, 255),
  row('net.ipv6.conf.all.accept_ra', 1, 0, 2),
  row('net.ipv6.conf.all.accept_ra_defrtr', 1, 0, 1),
  row('net.ipv6.conf.all.accept_ra_pinfo', 1, 0, 1),
  row('net.ipv6.conf.all.accept_ra_mtu', 1, 0, 1),
  row('net.ipv6.conf.all.accept_redirects', 1, 0, 1),
  row('net.ipv6.conf.all.autoconf', 1, 0, 1),
  row('net.ipv6.conf.all.accept_dad', 1, 0, 2),
  row('net.ipv6.conf.all.dad_transmits', 1, 0, 255),
  row('net.ipv6.conf.all.enhanced_dad', 1, 0, 1),
  row('net.ipv6.conf.all.ndisc_notify', 0, 0, 1),
  row('net.ipv6.conf.all.addr_gen_mode', 0, 0, 3),
  row('net.ipv6.conf.all.router_solicitations', -1, -1, 255),
  row('net.ipv6.conf.all.router_solicitation_delay', 1),
  row('net.ipv6.conf.all.router_solicitation_interval', 4),
  row('net.ipv6.conf.all.router_solicitation_max_interval', 3600),
  row('net.ipv6.conf.all.force_mld_version', 0, 0, 2),
  row('net.ipv6.conf.all.mldv1_unsolicited_report_interval', 10000),
  row('net.ipv6.conf.all.mldv2_unsolicited_report_interval', 1000),
  row('net.ipv6.neigh.default.base_reachable_time_ms', 30000),
  row('net.ipv6.neigh.default.retrans_time_ms', 1000),
  row('net.ipv6.neigh.default.mcast_solicit', 3),
  row('net.ipv6.neigh.default.ucast_solicit', 3),
  row('net.ipv6.neigh.default.delay_first_probe_time', 5),
  row('net.ipv6.neigh.default.unres_qlen_bytes', 212992),
  row('net.ipv6.neigh.default.gc_thresh3', 1024),
  // UDP and sockets
  row('net.core.rmem_default', 212992),
  row('net.core.rmem_max', 4194304),
  row('net.core.wmem_default', 212992),
  row('net.core.wmem_max', 4194304),
  row('net.core.somaxconn', 4096),
  row('net.core.optmem_max', 131072),
  row('net.core.txrehash', 1, 0, 1),
  row('net.ipv4.udp_mem', [94620, 126162, 189240]),
  row('net.ipv4.udp_rmem_min', 4096),
  row('net.ipv4.udp_wmem_min', 4096),
  // TCP
  row('net.ipv4.tcp_abort_on_overflow', 0, 0, 1),
  row('net.ipv4.tcp_adv_win_scale', 1, -31, 31),
  row('net.ipv4.tcp_allowed_congestion_control', ALL_CONGESTION & ~RESTRICTED, 0, ALL_CONGESTION),
  row('net.ipv4.tcp_app_win', 31, 0, 31),
  row('net.ipv4.tcp_autocorking', 1, 0, 1),
  row('net.ipv4.tcp_available_congestion_control', ALL_CONGESTION, 0, 0),
  row('net.ipv4.tcp_backlog_ack_defer', 1, 0, 1),
  row('net.ipv4.tcp_base_mss', 1024),
  row('net.ipv4.tcp_challenge_ack_limit', 0x7fffffff),
  row('net.ipv4.tcp_comp_sack_delay_ns', 1000000),
  row('net.ipv4.tcp_comp_sack_nr', 44, 0, 255),
  row('net.ipv4.tcp_comp_sack_slack_ns', 100000),
  row('net.ipv4.tcp_congestion_control', 0, 0, CongestionNames.length - 1),
  row('net.ipv4.tcp_dsack', 1, 0, 1),
  row('net.ipv4.tcp_early_retrans', 3, 0, 4),
  row('net.ipv4.tcp_ecn', 2, 0, 5),
  row('net.ipv4.tcp_ecn_fallback', 1, 0, 1),
  row('net.ipv4.tcp_ecn_option', 2, 0, 3),
  row('net.ipv4.tcp_ecn_option_beacon', 3, 0, 3),
  row('net.ipv4.tcp_fack', 0),
  row('net.ipv4.tcp_fastopen', 1),
  row('net.ipv4.tcp_fastopen_blackhole_timeout_sec', 0),
  row('net.ipv4.tcp_fin_timeout', 60),
  row('net.ipv4.tcp_frto', 2, 0, 2),
  row('net.ipv4.tcp_fwmark_accept', 0, 0, 1),
  row('net.ipv4.tcp_invalid_ratelimit', 500),
  row('net.ipv4.tcp_keepalive_intvl', 75),
  row('net.ipv4.tcp_keepalive_probes', 9),
  row('net.ipv4.tcp_keepalive_time', 7200),
  row('net.ipv4.tcp_limit_output_bytes', 4194304),
  row('net.ipv4.tcp_low_latency', 0),
  row('net.ipv4.tcp_max_orphans', 16384),
  row('net.ipv4.tcp_max_reordering', 300),
  row('net.ipv4.tcp_max_syn_backlog', 256),
  row('net.ipv4.tcp_max_tw_buckets', 16384),
  row('net.ipv4.tcp_mem', [47310, 63081, 94620]),
  row('net.ipv4.tcp_migrate_req', 0, 0, 1),
  row('net.ipv4.tcp_min_rtt_wlen', 300),
  row('net.ipv4.tcp_min_snd_mss', 48),
  row('net.ipv4.tcp_min_tso_segs', 2),
  row('net.ipv4.tcp_moderate_rcvbuf', 1, 0, 1),
  row('net.ipv4.tcp_mtu_probe_floor', 48),
  row('net.ipv4.tcp_mtu_probing', 0, 0, 2),
  row('net.ipv4.tcp_no_metrics_save', 0, 0, 1),
  row('net.ipv4.tcp_no_ssthresh_metrics_save', 1, 0, 1),
  row('net.ipv4.tcp_notsent_lowat', 4294967295, 0, 4294967295),
  row('net.ipv4.tcp_orphan_retries', 0),
  row('net.ipv4.tcp_pacing_ca_ratio', 120, 0, 1000),
  row('net.ipv4.tcp_pacing_ss_ratio', 200, 0, 1000),
  row('net.ipv4.tcp_pingpong_thresh', 1, 1, 255),
  row('net.ipv4.tcp_plb_enabled', 0, 0, 1),
  row('net.ipv4.tcp_plb_idle_rehash_rounds', 3, 0, 31),
  row('net.ipv4.tcp_plb_rehash_rounds', 12, 0, 31),
  row('net.ipv4.tcp_plb_suspend_rto_sec', 60, 0, 255),
  row('net.ipv4.tcp_plb_cong_thresh', 128, 0, 256),
  row('net.ipv4.tcp_probe_interval', 600),
  row('net.ipv4.tcp_probe_threshold', 8),
  row('net.ipv4.tcp_recovery', 1, 0, 255),
  row('net.ipv4.tcp_reflect_tos', 0, 0, 1),
  row('net.ipv4.tcp_reordering', 3),
  row('net.ipv4.tcp_retrans_collapse', 1),
  row('net.ipv4.tcp_retries1', 3, 0, 255),
  row('net.ipv4.tcp_retries2', 15),
  row('net.ipv4.tcp_rfc1337', 0, 0, 1),
  row('net.ipv4.tcp_rmem', [4096, 131072, 33554432]),
  row('net.ipv4.tcp_rto_min_us', 200000),
  row('net.ipv4.tcp_rto_max_ms', 120000, 1000, 120000),
  row('net.ipv4.tcp_sack', 1, 0, 1),
  row('net.ipv4.tcp_shrink_window', 0, 0, 1),
  row('net.ipv4.tcp_slow_start_after_idle', 1, 0, 1),
  row('net.ipv4.tcp_stdurg', 0, 0, 1),
  row('net.ipv4.tcp_syn_linear_timeouts', 4, 0, 127),
  row('net.ipv4.tcp_syn_retries', 6, 1, 127),
  row('net.ipv4.tcp_synack_retries', 5, 0, 255),
  row('net.ipv4.tcp_syncookies', 1, 0, 2),
  row('net.ipv4.tcp_thin_linear_timeouts', 0, 0, 1),
  row('net.ipv4.tcp_timestamps', 1, 0, 2),
  row('net.ipv4.tcp_tso_rtt_log', 9),
  row('net.ipv4.tcp_tso_win_divisor', 3),
  row('net.ipv4.tcp_tw_reuse', 2, 0, 2),
  row('net.ipv4.tcp_tw_reuse_delay', 1000),
  row('net.ipv4.tcp_window_scaling', 1, 0, 1),
  row('net.ipv4.tcp_wmem', [4096, 16384, 4194304]),
  row('net.ipv4.tcp_workaround_signed_windows', 0, 0, 1),
  // CUBIC: under Linux parameters of its module, /sys/module/tcp_cubic/parameters
  row('module.tcp_cubic.fast_convergence', 1, 0, 1),
  row('module.tcp_cubic.beta', 717, 1, 1023),
  row('module.tcp_cubic.initial_ssthresh', 0),
  row('module.tcp_cubic.tcp_friendliness', 1, 0, 1),
  row('module.tcp_cubic.hystart', 1, 0, 1),
  row('module.tcp_cubic.hystart_detect', 3, 0, 3),
  row('module.tcp_cubic.hystart_low_window', 16),
  row('module.tcp_cubic.hystart_ack_delta_us', 2000),
  // not Linux's: HyStart++ (RFC 9406) in place of HyStart
  row('module.tcp_cubic.hystart_plus_plus', 0, 0, 1),
  // and of tcp_dctcp
  row('module.tcp_dctcp.dctcp_shift_g', 4, 0, 10),
  row('module.tcp_dctcp.dctcp_alpha_on_init', 1024),
] as const;

type LastPart<S extends string> = S extends `${string}.${infer R}` ? LastPart<R> : S;
type Key<S extends string> = S extends `net.ipv6.${infer R}` ? `ip6_${LastPart<R>}` : LastPart<S>;
type SysctlIds = { readonly [N in Key<(typeof rows)[number]['name']>]: number };

/** IPv6 has many names that IPv4 has too. */
function keyOf(name: string): string {
  const last = name.slice(name.lastIndexOf('.') + 1);
  return name.startsWith('net.ipv6.') ? `ip6_${last}` : last;
}

const SIZE = rows.reduce((n, r) => n + r.values.length, 0);

/** Index of a sysctl's first number, by the last part of its name (`ip6_` before those of IPv6): `Sysctl.tcp_sack`, `Sysctl.tcp_rmem + 2`. */
export const Sysctl: SysctlIds = (() => {
  const o: Record<string, number> = {};
  let at = 0;
  for (const r of rows) {
    o[keyOf(r.name)] = at;
    at += r.values.length;
  }
  Object.setPrototypeOf({}, o);
  return Object.freeze(o) as SysctlIds;
})();

export class SysctlTable {
  readonly memory: SharedArrayBuffer;
  readonly values: Float64Array;

  constructor(memory?: SharedArrayBuffer) {
    this.memory = memory ?? new SharedArrayBuffer(SIZE * 8);
    this.values = new Float64Array(this.memory);
    if (!memory) {
      let at = 0;
      for (const r of rows) for (const v of r.values) this.values[at++] = v;
    }
  }

  /** The text Linux would show in /proc/sys; undefined for a name this stack does not have. The `net.ipv4.` in front may be left out. */
  get(name: string): string | undefined {
    const r = find(name);
    if (!r) return undefined;
    if (r.name.endsWith('congestion_control')) return congestionText(r, this.values[indexOf(r)]!);
    return r.values.map((_, i) => String(this.values[indexOf(r) + i])).join('\t');
  }

  /** False for an unknown name, a wrong count of numbers or a value outside its range; nothing is changed then. */
  set(name: string, text: string | number): boolean {
    const r = find(name);
    if (!r) return false;
    if (r.name.endsWith('congestion_control')) return this.setCongestion(r, String(text).trim());
    const numbers = String(text).trim().split(/\s+/).map(Number);
    if (numbers.length !== r.values.length) return false;
    if (numbers.some((n) => !Number.isInteger(n) || n < r.min || n > r.max)) return false;
    for (const [i, n] of numbers.entries()) this.values[indexOf(r) + i] = n;
    return true;
  }

  private setCongestion(r: Row, text: string): boolean {
    if (r.max === 0) return false; // what there is cannot be set
    const named = text === '' ? [] : text.split(/\s+/).map((w) => (CongestionNames as readonly string[]).indexOf(w));
    if (named.includes(-1)) return false;
    if (isList(r)) this.values[indexOf(r)] = named.reduce((mask, n) => mask | (1 << n), 0);
    else {
      if (named.length !== 1) return false;
      this.values[indexOf(r)] = named[0]!;
      this.values[Sysctl.tcp_allowed_congestion_control]! |= 1 << named[0]!; // the default is for everybody
    }
    return true;
  }

  names(): string[] {
    return rows.map((r) => r.name);
  }
}

const isList = (r: Row): boolean => r.name !== 'net.ipv4.tcp_congestion_control';

/** A name, or the names in a mask in the order in which Linux registers them. */
function congestionText(r: Row, value: number): string {
  if (!isList(r)) return CongestionNames[value]!;
  const order = ['reno', 'cubic', 'bbr', 'dctcp'] as const;
  return order.filter((n) => value & (1 << CongestionNames.indexOf(n))).join(' ');
}

/** Settings of single interfaces are those of all: `conf.tap0.rp_filter` is `conf.all.rp_filter`. */
function canonical(name: string): string {
  const full = /^(net|module)\./.test(name) ? name : `net.ipv4.${name}`;
  return full
    .replace(/^net\.ipv4\.conf\.[^.]+\.forwarding$/, 'net.ipv4.ip_forward')
    .replace(/^net\.ipv4\.conf\.[^.]+\./, 'net.ipv4.conf.all.')
    .replace(/^net\.ipv4\.neigh\.[^.]+\./, 'net.ipv4.neigh.default.')
    .replace(/^net\.ipv6\.conf\.[^.]+\./, 'net.ipv6.conf.all.')
    .replace(/^net\.ipv6\.neigh\.[^.]+\./, 'net.ipv6.neigh.default.');
}

function find(name: string): Row | undefined {
  const wanted = canonical(name);
  return (rows as readonly Row[]).find((r) => r.name === wanted);
}
function indexOf(r: Row): number {
  return (Sysctl as Readonly<Record<string, number>>)[keyOf(r.name)]!;
}
