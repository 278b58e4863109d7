/** One line per event of a trace: the default line with everything, and the classic line of the SystemTap and DTrace scripts. */
import type { TraceEventDto, TraceGapDto } from '../dto.js';
import { connectionName } from './address.js';

/** `15:04:05.123456 Tcp.RetransSegs +1 3.7 10.77.0.2:80-10.77.0.1:45678 ESTABLISHED out tsn0 len 1448 PA seq 1 ack 2 win 502` */
export function traceLine(e: TraceEventDto): string {
  const parts = [e.time.slice(11, -1), e.probe];
  if (e.probe.includes(':')) parts.push(`${e.increment} ${e.arg1}`);
  else parts.push(e.increment < 0 ? String(e.increment) : `+${e.increment}`);
  const c = e.connection;
  if (c) {
    parts.push(c.id ?? '-', connectionName(c.family, c.local.address, c.local.port, c.remote.address, c.remote.port));
    parts.push(c.state || c.protocol);
  } else parts.push('-');
  const p = e.packet;
  if (p) {
    parts.push(p.direction, p.device, `len ${p.length}`);
    if (c?.protocol === 'tcp') parts.push(`${p.flags} seq ${p.seq} ack ${p.ack} win ${p.window}`);
  }
  return parts.join(' ');
}

/** `[eth0]    10.77.0.1:45678 -> 10.77.0.2:80    len: 1448`: device, source, destination, payload length. */
export function classicLine(e: TraceEventDto): string {
  const c = e.connection;
  const inward = e.packet?.direction === 'in';
  const from = inward ? c?.remote : c?.local;
  const to = inward ? c?.local : c?.remote;
  const end = (p: { address: string; port: number } | undefined) =>
    `${(p?.address ?? '-').padStart(11)}:${String(p?.port ?? 0).padEnd(5)}`;
  return `[${(e.packet?.device ?? '-').padStart(4)}] ${end(from)} -> ${end(to)} len: ${e.packet?.length ?? 0}`;
}

export function gapLine(gap: TraceGapDto): string {
  return `gap: ${gap.events} events of ${gap.probe} lost (${gap.lost < 0 ? '' : '+'}${gap.lost})`;
}
