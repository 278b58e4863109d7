/**
 * Interface counters: the columns of /proc/net/dev and of IF-MIB (RFC 2863). They belong to a device, not to a connection, and live in a
 * block of cells per device.
 */
import type { CounterEntry } from './entry.js';

export interface DeviceEntry<N extends string = string> extends CounterEntry<N> {
  /** The column of /proc/net/dev it is printed in, when it has one of its own there. */
  readonly column?: `${'rx' | 'tx'}.${string}`;
}

const columns = [
  { name: 'rxBytes', kind: 'counter', column: 'rx.bytes', meaning: 'octets received, the Ethernet header included' },
  { name: 'rxPackets', kind: 'counter', column: 'rx.packets', meaning: 'frames received and accepted by the link' },
  {
    name: 'rxErrs',
    kind: 'counter',
    column: 'rx.errs',
    meaning: 'frames received with an error: shorter than an Ethernet header, or a bad offload header',
  },
  { name: 'rxDrop', kind: 'counter', column: 'rx.drop', meaning: 'good frames not handed up for want of room' },
  { name: 'rxFifo', kind: 'counter', column: 'rx.fifo', meaning: 'receiver overruns' },
  { name: 'rxFrame', kind: 'counter', column: 'rx.frame', meaning: 'framing errors' },
  { name: 'rxCompressed', kind: 'counter', column: 'rx.compressed', meaning: 'compressed frames received' },
  { name: 'rxMulticast', kind: 'counter', column: 'rx.multicast', meaning: 'frames received to a multicast MAC address' },
  { name: 'txBytes', kind: 'counter', column: 'tx.bytes', meaning: 'octets sent, the Ethernet header included' },
  { name: 'txPackets', kind: 'counter', column: 'tx.packets', meaning: 'frames the link took' },
  { name: 'txErrs', kind: 'counter', column: 'tx.errs', meaning: 'frames the link refused with an error' },
  { name: 'txDrop', kind: 'counter', column: 'tx.drop', meaning: 'frames dropped on output: queue full, no neighbour' },
  { name: 'txFifo', kind: 'counter', column: 'tx.fifo', meaning: 'transmitter overruns' },
  { name: 'txColls', kind: 'counter', column: 'tx.colls', meaning: 'collisions' },
  { name: 'txCarrier', kind: 'counter', column: 'tx.carrier', meaning: 'frames lost to carrier problems' },
  { name: 'txCompressed', kind: 'counter', column: 'tx.compressed', meaning: 'compressed frames sent' },
  { name: 'rxOtherhost', kind: 'counter', meaning: 'frames for another MAC address, dropped before the network layer' },
  { name: 'rxUnknownProtos', kind: 'counter', meaning: 'frames with an EtherType that nobody handles (ifInUnknownProtos)' },
  { name: 'rxBroadcast', kind: 'counter', meaning: 'frames received to the broadcast MAC address' },
  { name: 'txMulticast', kind: 'counter', meaning: 'frames sent to a multicast MAC address' },
  { name: 'txBroadcast', kind: 'counter', meaning: 'frames sent to the broadcast MAC address' },
] as const satisfies readonly DeviceEntry[];

export const deviceEntries: readonly DeviceEntry[] = columns;

/** Cell offsets inside a device's block: `Dev.rxBytes`. */
export const Dev = Object.freeze(Object.fromEntries(columns.map((e, i) => [e.name, i]))) as {
  readonly [K in (typeof columns)[number]['name']]: number;
};
