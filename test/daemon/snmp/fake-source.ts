/** A made-up stack for the agent's tests: every counter has a value of its own, every table rows of both IP versions. */

import type { InetOctets } from '../../../daemon/snmp/address.js';
import type { SocketReading } from '../../../daemon/snmp/scans.js';
import type { InterfaceReading, NeighbourReading, RouteReading, SnmpReading, SnmpSource } from '../../../daemon/snmp/source.js';
import { CELLS, counters, Icmp6Msg, IcmpMsg } from '../../../mib/catalogue/index.js';
import { Dev, deviceEntries } from '../../../mib/catalogue/interface.js';
import { DEVICE_CELLS, DEVICES_BASE } from '../../../mib/ledger/layout.js';

export const v6 = (...tail: number[]): InetOctets => [0xfd, 0x77, ...new Array<number>(14 - tail.length).fill(0), ...tail];

/** Counters are 2^32 + 1000 + id, so that a 32-bit column shows 1000 + id; gauges and constants are themselves. */
export function madeUpCells(): Float64Array {
  const cells = new Float64Array(CELLS);
  for (const c of counters) {
    cells[c.id] = c.entry.kind === 'constant' ? (c.entry.value ?? 0) : c.entry.kind === 'gauge' ? 3 : 2 ** 32 + 1000 + c.id;
  }
  cells[IcmpMsg.In + 42] = 7;
  cells[Icmp6Msg.Out + 200] = 9;
  return cells;
}

const deviceCells = (base: number) => Float64Array.from(deviceEntries, (_e, i) => base + i);

/** Counters of the two devices. */
export function madeUpDevices(): Float64Array[] {
  const tapCells = deviceCells(2 ** 32 + 5000);
  tapCells[Dev.rxPackets] = 10_000;
  tapCells[Dev.rxMulticast] = 30;
  tapCells[Dev.rxBroadcast] = 20;
  return [deviceCells(100), tapCells];
}

const loopback: InterfaceReading = {
  index: 1,
  name: 'lo',
  mac: new Uint8Array(0),
  mtu: 65536,
  loopback: true,
  up: true,
  running: true,
  broadcast: false,
  promiscuous: false,
  addresses: [
    { octets: [127, 0, 0, 1], prefix: 8, state: 'preferred' },
    { octets: [...new Array<number>(15).fill(0), 1], prefix: 128, state: 'preferred' },
  ],
  device: 0,
};
const tap: InterfaceReading = {
  index: 2,
  name: 'tsn0',
  mac: Uint8Array.of(2, 0, 0x5e, 0x10, 0, 1),
  mtu: 1500,
  loopback: false,
  up: true,
  running: true,
  broadcast: true,
  promiscuous: false,
  addresses: [
    { octets: [10, 77, 0, 2], prefix: 24, state: 'preferred' },
    { octets: v6(2), prefix: 64, state: 'preferred' },
    { octets: [0xfe, 0x80, ...new Array<number>(13).fill(0), 2], prefix: 64, state: 'tentative' },
  ],
  device: 1,
};

const routes: RouteReading[] = [
  { destination: [0, 0, 0, 0], prefix: 0, gateway: [10, 77, 0, 1], ifIndex: 2, metric: 0, reject: false },
  { destination: [10, 77, 0, 0], prefix: 24, gateway: undefined, ifIndex: 2, metric: 0, reject: false },
  { destination: [192, 0, 2, 0], prefix: 25, gateway: undefined, ifIndex: 2, metric: 5, reject: true },
  { destination: v6(), prefix: 64, gateway: undefined, ifIndex: 2, metric: 256, reject: false },
  { destination: v6(2), prefix: 128, gateway: undefined, ifIndex: 1, metric: 0, reject: false },
];

const neighbours: NeighbourReading[] = [
  { octets: [10, 77, 0, 1], mac: Uint8Array.of(2, 0, 0x5e, 0x10, 0, 9), ifIndex: 2, state: 'REACHABLE' },
  { octets: [10, 77, 0, 77], mac: new Uint8Array(0), ifIndex: 2, state: 'INCOMPLETE' },
  { octets: v6(1), mac: Uint8Array.of(2, 0, 0x5e, 0x10, 0, 9), ifIndex: 2, state: 'STALE' },
];

export const ANY4 = [0, 0, 0, 0];
export const ANY6: InetOctets = new Array<number>(16).fill(0);

let ids = 0;
export function socket(over: Partial<SocketReading>): SocketReading {
  ids++;
  return {
    id: `${ids}.1`,
    protocol: 6,
    listener: false,
    state: 1,
    local: [10, 77, 0, 2],
    localPort: 80,
    remote: [10, 77, 0, 1],
    remotePort: 40_000 + ids,
    instance: ids,
    ...over,
  };
}

export function madeUpSockets(): SocketReading[] {
  ids = 0;
  const sockets: SocketReading[] = [];
  for (let state = 1; state <= 12; state++) if (state !== 10) sockets.push(socket({ state }));
  sockets.push(
    socket({ state: 10, listener: true, local: ANY4, remote: ANY4, remotePort: 0 }),
    socket({ state: 10, listener: true, local: ANY6, remote: ANY6, remotePort: 0, localPort: 65535 }),
    socket({ local: v6(2), remote: v6(1), localPort: 443 }),
    socket({ protocol: 17, state: 7, local: ANY4, localPort: 7, remote: ANY4, remotePort: 0 }),
    socket({ protocol: 17, state: 7, local: [10, 77, 0, 2], localPort: 161, remote: ANY4, remotePort: 0 }),
    socket({ protocol: 17, state: 1, local: [10, 77, 0, 2], localPort: 5000, remote: [10, 77, 0, 1], remotePort: 53 }),
    socket({ protocol: 17, state: 7, local: ANY6, localPort: 7, remote: ANY6, remotePort: 0 }),
    socket({ protocol: 136, state: 7, local: ANY4, localPort: 9, remote: ANY4, remotePort: 0 }),
    socket({ protocol: 1, state: 7, local: ANY4, localPort: 99, remote: ANY4, remotePort: 0 }),
  );
  return sockets;
}

export class FakeSource implements SnmpSource {
  cells = madeUpCells();
  devices = madeUpDevices();
  interfaces: readonly InterfaceReading[] = [loopback, tap];
  routes: readonly RouteReading[] = routes;
  neighbours: readonly NeighbourReading[] = neighbours;
  sockets: readonly SocketReading[] = madeUpSockets();
  upTimeCs = 123_456;
  fail = false;
  reads = 0;

  /** The reading is there already. */
  atOnce = false;

  read(): SnmpReading | Promise<SnmpReading> {
    return this.atOnce ? this.reading() : Promise.resolve().then(() => this.reading());
  }

  reading(): SnmpReading {
    this.reads++;
    if (this.fail) throw new Error('the stack is gone');
    const { cells, devices, sockets, upTimeCs, interfaces, routes, neighbours } = this;
    const cell = (at: number) =>
      at < CELLS ? cells[at]! : devices[Math.floor((at - DEVICES_BASE) / DEVICE_CELLS)]![(at - DEVICES_BASE) % DEVICE_CELLS]!;
    return { upTimeCs, cell, interfaces, routes, neighbours, sockets: () => sockets };
  }
}

export const system = {
  sysDescr: 'tsnetstat test',
  sysContact: 'root',
  sysName: 'host',
  sysLocation: 'here',
};
