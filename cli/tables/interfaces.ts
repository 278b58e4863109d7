/** `tsnetstat -i`: the table of interfaces in the columns of net-tools 2.10. */
import type { Dev } from '../../mib/catalogue/interface.js';
import type { InterfaceDto } from '../../mib/dto.js';
import { readDev } from '../../mib/text/proc-tables.js';
import type { ProcSource } from '../sources/proc.js';

const HEAD =
  'Kernel Interface table\n' + 'Iface             MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg\n';

/** Letters of the flags in netstat's order, by IFF_ bit. */
const LETTERS: readonly (readonly [bit: number, letter: string])[] = [
  [0x200, 'A'], // ALLMULTI
  [0x2, 'B'], // BROADCAST
  [0x4, 'D'], // DEBUG
  [0x8, 'L'], // LOOPBACK
  [0x1000, 'M'], // MULTICAST
  [0x100, 'P'], // PROMISC
  [0x20, 'N'], // NOTRAILERS
  [0x80, 'O'], // NOARP
  [0x10, 'P'], // POINTOPOINT
  [0x800, 's'], // SLAVE
  [0x400, 'm'], // MASTER
  [0x40, 'R'], // RUNNING
  [0x1, 'U'], // UP
];

interface Row {
  readonly name: string;
  readonly mtu: number;
  readonly flags: number;
  /** RX and TX: packets, errors, drops, overruns. */
  readonly rx: readonly (number | bigint)[];
  readonly tx: readonly (number | bigint)[];
}

function rowText(r: Row): string {
  const flags = LETTERS.flatMap(([bit, letter]) => (r.flags & bit ? [letter] : [])).join('') || '[NO FLAGS]';
  const n = (value: number | bigint, width: number) => String(value).padStart(width);
  const rx = `${n(r.rx[0]!, 8)} ${n(r.rx[1]!, 6)} ${n(r.rx[2]!, 6)} ${String(r.rx[3]!).padEnd(6)}`;
  const tx = `${n(r.tx[0]!, 8)} ${n(r.tx[1]!, 6)} ${n(r.tx[2]!, 6)} ${n(r.tx[3]!, 6)}`;
  return `${r.name.padEnd(15)} ${n(r.mtu, 5)} ${rx} ${tx} ${flags}\n`;
}

/** As netstat sorts them: digits in a name count as a number. */
function byName(a: { name: string }, b: { name: string }): number {
  const parts = (name: string) => /^(\D*)(\d*)/.exec(name)!;
  const [x, y] = [parts(a.name), parts(b.name)];
  if (x[1] !== y[1] || x[2] === '' || y[2] === '') return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
  return Number(x[2]) - Number(y[2]);
}

export interface InterfaceTable {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number;
}

export type InterfaceInfo = (name: string) => { mtu: number; flags: number } | undefined;

/** @param info MTU and flags, which /proc does not hold; a name without them ends the table, as in netstat */
export function interfacesOfProc(source: ProcSource, all: boolean, info: InterfaceInfo): InterfaceTable {
  let stdout = HEAD;
  for (const { name, values: v } of readDev(source.read('dev') ?? '').sort(byName)) {
    const known = info(name);
    if (!known) {
      const stderr = `${name}: error fetching interface information: Device not found\nmissing interface information: No such device\n`;
      return { stdout, stderr, status: 1 };
    }
    if (!all && !(known.flags & 1)) continue;
    stdout += rowText({ name, ...known, rx: [v[1]!, v[2]!, v[3]!, v[4]!], tx: [v[9]!, v[10]!, v[11]!, v[12]!] });
  }
  return { stdout, stderr: '', status: 0 };
}

export function interfacesOfDaemon(interfaces: readonly InterfaceDto[], all: boolean): string {
  const rows = interfaces
    .filter((i) => all || i.up)
    .map((i): Row => {
      const c = (name: keyof typeof Dev) => i.counters[name] ?? 0;
      const bits =
        (i.up ? 1 : 0) |
        (i.broadcast ? 2 : 0) |
        (i.loopback ? 8 : 0) |
        (i.running ? 0x40 : 0) |
        (i.promiscuous ? 0x100 : 0) |
        (i.multicast ? 0x1000 : 0);
      return {
        name: i.name,
        mtu: i.mtu,
        flags: bits,
        rx: [c('rxPackets'), c('rxErrs'), c('rxDrop') + c('rxUnknownProtos'), c('rxFifo')],
        tx: [c('txPackets'), c('txErrs'), c('txDrop'), c('txFifo')],
      };
    });
  return HEAD + rows.sort(byName).map(rowText).join('');
}
