/**
 * A copy of one row, taken by a reader in one consistent piece: identity, state, times and tcp_info, and the counters it owns. The copy is
 * private memory, so that what is read from it does not change under the reader.
 */
import { CELLS, counters } from '../catalogue/index.js';
import type { ConnectionDto, ProtocolDto, RowKindDto, TimerKindDto } from '../dto.js';
import { addressText, connectionName } from '../text/address.js';
import { tcpStateNames } from '../text/states.js';
import { Col, CopyInfo, copyColumns, type InfoName, infoColumns, ROW_STRIDE, RowKind, rowIds, rowOwns } from './layout.js';

const kindNames: Record<number, RowKindDto> = {
  [RowKind.connection]: 'connection',
  [RowKind.listener]: 'listener',
  [RowKind.endpoint]: 'endpoint',
  [RowKind.timeWait]: 'time-wait',
  [RowKind.request]: 'request',
};
const protocolNames: Record<number, ProtocolDto> = { 1: 'icmp', 58: 'icmp', 6: 'tcp', 17: 'udp', 136: 'udplite' };
const timerNames: readonly TimerKindDto[] = ['off', 'on', 'keepalive', 'timewait', 'probe'];
const shownInfo = infoColumns.filter((n) => n.startsWith('tcpi_') || n === 'drops');
const constants = counters.filter((c) => c.entry.kind === 'constant').map((c) => c.id);

/** What a row needs from its snapshot to be shown: the clocks, and who its listener is. */
export interface RowContext {
  /** Add it to a time of the stack's clock to get Unix time, µs. */
  readonly wallOffsetUs: number;
  /** The stack's clock when the row was read, µs. */
  readonly nowUs: number;
  /** id of the listener in that row now, or null. */
  listenerId(row: number): string | null;
}

export class RowView {
  /** Row number. */
  row = -1;
  readonly floats: Float64Array;
  readonly ints: Int32Array;

  constructor() {
    this.floats = new Float64Array(ROW_STRIDE);
    this.ints = new Int32Array(this.floats.buffer);
  }

  get kind(): number {
    return this.ints[Col.kind]!;
  }
  get generation(): number {
    return this.ints[Col.generation]!;
  }
  get id(): string {
    return `${this.row}.${this.generation}`;
  }
  get family(): 4 | 6 {
    return this.ints[Col.family] === 6 ? 6 : 4;
  }
  get protocol(): number {
    return this.ints[Col.protocol]!;
  }
  get localAddress(): string {
    return addressText(this.family, this.ints, Col.local);
  }
  get remoteAddress(): string {
    return addressText(this.family, this.ints, Col.remote);
  }
  get localPort(): number {
    return this.ints[Col.localPort]! & 0xffff;
  }
  get remotePort(): number {
    return this.ints[Col.remotePort]! & 0xffff;
  }
  /** `local-remote`. */
  get name(): string {
    return connectionName(this.family, this.localAddress, this.localPort, this.remoteAddress, this.remotePort);
  }
  /** The state's number; an endpoint that is connected is ESTABLISHED (1), one that is not is CLOSE (7), as in /proc/net/udp. */
  get state(): number {
    if (this.kind === RowKind.endpoint) return this.remotePort !== 0 ? 1 : 7;
    return this.ints[Col.state]!;
  }
  column(column: number): number {
    return this.ints[column]!;
  }
  info(name: InfoName): number {
    return this.floats[CopyInfo[name]]!;
  }
  /** A counter of this row; 0 where a row of its protocol has none. */
  cell(id: number): number {
    return rowOwns(this.protocol, id) ? this.floats[copyColumns[id]!]! : 0;
  }

  /** All cells as the row has them: its own, the constants of `global`, 0 elsewhere. @param global CELLS floats */
  cells(global: ArrayLike<number>): Float64Array {
    const out = new Float64Array(CELLS);
    for (const id of constants) out[id] = global[id]!;
    this.addCellsTo(out);
    return out;
  }

  /** Adds the row's own cells to a sum by cell id. */
  addCellsTo(sum: Float64Array): void {
    const ids = rowIds(this.protocol);
    for (let i = 0; i < ids.length; i++) sum[ids[i]!]! += this.floats[copyColumns[ids[i]!]!]!;
  }

  toJSON(context: RowContext): ConnectionDto {
    const unix = (us: number) => (us > 0 ? new Date((us + context.wallOffsetUs) / 1000).toISOString() : null);
    const timer = this.column(Col.timerKind);
    const info: Record<string, number> = {};
    for (const n of shownInfo) info[n] = this.info(n);
    return {
      id: this.id,
      kind: kindNames[this.kind] ?? 'connection',
      protocol: protocolNames[this.protocol] ?? 'tcp',
      family: this.family,
      name: this.name,
      local: { address: this.localAddress, port: this.localPort },
      remote: { address: this.remoteAddress, port: this.remotePort },
      state: this.kind === RowKind.endpoint && this.state === 7 ? '' : (tcpStateNames[this.state] ?? `UNKNOWN(${this.state})`),
      interface: this.column(Col.ifindex),
      inode: this.column(Col.inode) >>> 0,
      uid: this.column(Col.uid) >>> 0,
      recvQ: this.column(Col.recvQ) >>> 0,
      sendQ: this.column(Col.sendQ) >>> 0,
      timer: {
        kind: timerNames[timer] ?? 'off',
        expiresInMs: timer === 0 ? 0 : Math.max(0, Math.round((this.info('timerAtUs') - context.nowUs) / 1000)),
        retransmits: this.column(Col.retransmits),
        probes: this.column(Col.probes),
      },
      active: this.column(Col.active) === 1,
      listener: this.column(Col.listener) < 0 ? null : context.listenerId(this.column(Col.listener)),
      createdAt: unix(this.info('createdUs')),
      establishedAt: unix(this.info('establishedUs')),
      closedAt: unix(this.info('closedUs')),
      info,
    };
  }
}
