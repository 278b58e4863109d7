/** A ledger with rows, devices and values of its own making, behind the same port as a real stack: what doors are tested against. */

import type { StackPort } from '../../daemon/view.js';
import { counters, IcmpMsg, Tcp, TcpExt, Udp } from '../../mib/catalogue/index.js';
import type { DeviceIdentity, GroupDto, InterfaceDto, NeighbourDto, RouteDto } from '../../mib/dto.js';
import { Col, Info, RowKind } from '../../mib/ledger/layout.js';
import { Ledger, type Owner } from '../../mib/ledger/ledger.js';
import { Ctl, createLedgerMemory, type LedgerMemory } from '../../mib/ledger/memory.js';

export const STARTED_UNIX_US = 1_700_000_000_000_000;

export interface MadeUpRow {
  readonly kind: RowKind;
  readonly protocol: number;
  readonly state?: number;
  readonly local: readonly [word: number, port: number];
  readonly remote?: readonly [word: number, port: number];
  readonly recvQ?: number;
  readonly sendQ?: number;
  readonly listener?: Owner;
}

const ip = (a: number, b: number, c: number, d: number) => ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
export const US = ip(10, 77, 0, 2);
export const PEER = ip(10, 77, 0, 1);

export class MadeUpStack implements StackPort {
  readonly memory: LedgerMemory;
  readonly memories: readonly LedgerMemory[];
  readonly ledger: Ledger;
  readonly identities: DeviceIdentity[] = [];
  routeTable: RouteDto[] = [];
  neighbourTable: NeighbourDto[] = [];
  groupTable: GroupDto[] = [];
  /** The stack's clock, µs. */
  nowUs = 5_000_000;
  /** Does it answer requests for snapshots? */
  answers = true;
  wakes = 0;

  constructor(maxRows = 64, ringBytes?: number) {
    const memory = createLedgerMemory(maxRows);
    this.memory = ringBytes ? { ...memory, ring: new SharedArrayBuffer(ringBytes) } : memory;
    this.memories = [this.memory];
    this.ledger = new Ledger(this.memory, 1_000_000, STARTED_UNIX_US - 1_000_000);
  }

  wake(): void {
    this.wakes++;
    if (!this.answers) return;
    setImmediate(() => {
      this.ledger.batchBorder(this.nowUs);
      const control = this.ledger.control;
      // info columns are always current here
      Atomics.store(control, Ctl.infoDone, Atomics.load(control, Ctl.infoRequested));
      Atomics.notify(control, Ctl.infoDone);
    });
  }
  devices(): Promise<readonly DeviceIdentity[]> {
    return Promise.resolve([...this.identities]);
  }
  routes(): Promise<readonly RouteDto[]> {
    return Promise.resolve([...this.routeTable]);
  }
  neighbours(): Promise<readonly NeighbourDto[]> {
    return Promise.resolve([...this.neighbourTable]);
  }

  groups(): Promise<readonly GroupDto[]> {
    return Promise.resolve(this.groupTable);
  }

  addDevice(name: string, more: Partial<InterfaceDto> = {}): void {
    const index = this.identities.length + 1;
    const cells = this.ledger.addDevice();
    this.identities.push({
      index,
      name,
      mac: `02:00:00:00:00:0${index}`,
      mtu: 1500,
      up: true,
      running: true,
      loopback: false,
      broadcast: true,
      multicast: true,
      promiscuous: false,
      addresses: [{ address: '10.77.0.2', prefix: 24, state: 'preferred' }],
      ...more,
    });
    for (let column = 0; column < 21; column++) cells.add(column, 1000 * index + column);
  }

  addRow(row: MadeUpRow): Owner {
    const owner = this.ledger.takeRow(row.kind);
    const set = (column: number, value: number) => this.ledger.setColumn(owner, column, value);
    this.ledger.setState(owner, row.state ?? 0);
    set(Col.family, 4);
    set(Col.local + 2, 0xffff);
    set(Col.local + 3, row.local[0]);
    set(Col.localPort, row.local[1]);
    set(Col.remote + 2, 0xffff);
    set(Col.remote + 3, row.remote?.[0] ?? 0);
    set(Col.remotePort, row.remote?.[1] ?? 0);
    this.ledger.setQueues(owner, row.recvQ ?? 0, row.sendQ ?? 0);
    if (row.listener) set(Col.listener, row.listener.row);
    this.ledger.setInfo(owner, Info.createdUs, 2_000_000);
    set(Col.protocol, row.protocol);
    this.ledger.show(owner);
    return owner;
  }
}

/** A listener on 80 with two connections, an endpoint, a TIME-WAIT and a closed connection; every counter has a value of its own. */
export function madeUpStack(ringBytes?: number): { stack: MadeUpStack; connection: Owner; listener: Owner } {
  const stack = new MadeUpStack(64, ringBytes);
  stack.addDevice('lo', {
    loopback: true,
    mac: '00:00:00:00:00:00',
    mtu: 65536,
    addresses: [{ address: '127.0.0.1', prefix: 8, state: 'preferred' }],
  });
  stack.addDevice('tsn0');
  stack.routeTable = [
    { family: 4, destination: '10.77.0.0', prefix: 24, gateway: null, interface: 'tsn0', metric: 0, flags: 'U' },
    { family: 4, destination: '0.0.0.0', prefix: 0, gateway: '10.77.0.1', interface: 'tsn0', metric: 0, flags: 'UG' },
  ];
  stack.neighbourTable = [
    { family: 4, address: '10.77.0.1', mac: '02:00:00:00:00:99', interface: 'tsn0', state: 'REACHABLE', router: false },
    { family: 6, address: 'fd77::1', mac: '02:00:00:00:00:99', interface: 'tsn0', state: 'STALE', router: true },
    { family: 4, address: '10.77.0.9', mac: null, interface: 'tsn0', state: 'INCOMPLETE', router: false },
  ];
  stack.groupTable = [
    { family: 4, interface: 'tsn0', group: '224.0.0.1', users: 1 },
    { family: 6, interface: 'tsn0', group: 'ff02::1', users: 1 },
  ];
  const { ledger } = stack;
  for (const c of counters) if (c.entry.kind !== 'constant' && !c.entry.slot) ledger.unattributed.add(c.id, 10 * c.id + 1);
  ledger.unattributed.add(IcmpMsg.In + 8, 88);
  ledger.unattributed.add(IcmpMsg.Out + 0, 80);
  ledger.unattributed.add(IcmpMsg.Out + 3, 83);
  const listener = stack.addRow({ kind: RowKind.listener, protocol: 6, state: 10, local: [US, 80], recvQ: 1, sendQ: 511 });
  const connection = stack.addRow({
    kind: RowKind.connection,
    protocol: 6,
    state: 1,
    local: [US, 80],
    remote: [PEER, 45678],
    recvQ: 100,
    sendQ: 2000,
    listener,
  });
  connection.add(Tcp.InSegs, 7);
  connection.add(Tcp.OutSegs, 9);
  connection.add(Tcp.CurrEstab, 1);
  connection.add(TcpExt.TCPHPHits, 3);
  const second = stack.addRow({ kind: RowKind.connection, protocol: 6, state: 8, local: [US, 80], remote: [PEER, 45679] });
  second.add(Tcp.InSegs, 1);
  const endpoint = stack.addRow({ kind: RowKind.endpoint, protocol: 17, local: [US, 7], recvQ: 30 });
  endpoint.add(Udp.InDatagrams, 5);
  stack.addRow({ kind: RowKind.timeWait, protocol: 6, state: 6, local: [US, 9], remote: [PEER, 45680] });
  const gone = stack.addRow({ kind: RowKind.connection, protocol: 6, state: 7, local: [US, 80], remote: [PEER, 45000] });
  gone.add(Tcp.RetransSegs, 4);
  ledger.releaseRow(gone);
  return { stack, connection, listener };
}
