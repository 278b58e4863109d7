/** The native series: one a counter, named by mib/catalogue/metric-name.ts, with its type and HELP from the catalogue. */
import { type Counter, counters, Icmp6Msg, IcmpMsg } from '../../mib/catalogue/index.js';
import { metricFamily, metricScale } from '../../mib/catalogue/metric-name.js';
import type { FamilyType } from './exposition.js';

export interface NativeMetric {
  readonly counter: Counter;
  /** Without `_total`. */
  readonly family: string;
  readonly type: FamilyType;
  readonly help: string;
  /** What the cell is multiplied with: 0.001 for milliseconds. */
  readonly scale: number;
}

/** One a counter, in print order. */
export const nativeMetrics: readonly NativeMetric[] = counters.map((counter) => {
  const { entry, key } = counter;
  const why = entry.unsupported ? ` (not moved by this stack: ${entry.unsupported})` : '';
  return {
    counter,
    family: metricFamily(counter),
    type: entry.kind === 'counter' ? 'counter' : 'gauge',
    help: `${key}: ${entry.meaning}${why}`,
    scale: metricScale(counter),
  };
});

/** The per-type slots: one family a direction and protocol, the ICMP type as a label. */
export const SLOT_FAMILIES = Object.freeze([
  { base: IcmpMsg.In, family: 'tsnetstat_icmp_msg_in', help: 'IcmpMsg.InType: ICMP messages received, by type' },
  { base: IcmpMsg.Out, family: 'tsnetstat_icmp_msg_out', help: 'IcmpMsg.OutType: ICMP messages sent, by type' },
  { base: Icmp6Msg.In, family: 'tsnetstat_icmp6_msg_in', help: 'Icmp6.InType: ICMPv6 messages received, by type' },
  { base: Icmp6Msg.Out, family: 'tsnetstat_icmp6_msg_out', help: 'Icmp6.OutType: ICMPv6 messages sent, by type' },
] as const);
