/** A record of the probe ring as an event with names, times and printable addresses. Reader's side. */
import type { TraceEventDto, TracePacketDto } from '../dto.js';
import { addressText } from '../text/address.js';
import { tcpStateNames } from '../text/states.js';
import { probeName } from './names.js';
import { Rec } from './ring.js';

const protocols: Record<number, string> = { 1: 'icmp', 58: 'icmp', 6: 'tcp', 17: 'udp', 136: 'udplite' };

export interface TraceContext {
  /** Add it to a time of the stack's clock to get Unix time, µs. */
  readonly wallOffsetUs: number;
  /** Name of an interface by its ifindex. */
  deviceName(index: number): string;
}

/** RFC 3339 with microseconds. @param unixUs whole µs */
export function timeText(unixUs: number): string {
  const us = Math.round(unixUs);
  const text = new Date(Math.floor(us / 1000)).toISOString();
  return text.slice(0, -1) + String(((us % 1000) + 1000) % 1000).padStart(3, '0') + 'Z';
}

/** TCP flags as letters, least bit first; `-` for none. */
export function flagText(flags: number): string {
  let text = '';
  for (let i = 0; i < 8; i++) if (flags & (1 << i)) text += 'FSRPAUEC'[i];
  return text || '-';
}

/** @param f the ring's cells and where the record starts in it, as ProbeReader.read gives them */
export function traceEvent(f: Float64Array, at: number, context: TraceContext): TraceEventDto {
  const timeUs = f[at + Rec.timeUs]!;
  const row = f[at + Rec.row]!;
  const familyProtocol = f[at + Rec.familyProtocol]!;
  const family = familyProtocol >> 8 === 6 ? 6 : 4;
  const protocol = familyProtocol & 255;
  const ports = f[at + Rec.ports]!;
  return {
    probe: probeName(f[at + Rec.point]!),
    time: timeText(timeUs + context.wallOffsetUs),
    timeUs,
    increment: f[at + Rec.arg0]!,
    arg1: f[at + Rec.arg1]!,
    connection:
      familyProtocol === 0
        ? null
        : {
            id: row < 0 ? null : `${row}.${f[at + Rec.generation]!}`,
            protocol: protocols[protocol] ?? String(protocol),
            family,
            local: { address: addressText(family, f, at + Rec.local), port: Math.floor(ports / 65536) },
            remote: { address: addressText(family, f, at + Rec.remote), port: ports % 65536 },
            state: row < 0 || protocol !== 6 ? '' : (tcpStateNames[f[at + Rec.state]!] ?? ''),
          },
    packet: packetOf(f, at, protocol, context),
  };
}

function packetOf(f: Float64Array, at: number, protocol: number, context: TraceContext): TracePacketDto | null {
  const direction = f[at + Rec.direction]!;
  const length = f[at + Rec.length]!;
  if (direction === 0 || length < 0) return null;
  return {
    direction: direction === 1 ? 'in' : 'out',
    device: context.deviceName(f[at + Rec.device]!),
    length,
    flags: protocol === 6 ? flagText(f[at + Rec.flags]!) : '-',
    seq: f[at + Rec.seq]! >>> 0,
    ack: f[at + Rec.ack]! >>> 0,
    window: f[at + Rec.window]!,
  };
}
