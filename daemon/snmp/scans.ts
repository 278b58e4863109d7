/**
 * Sockets as the agent's tables show them, by scans of the ledger's rows.
 *
 * Rows are too many to be part of a snapshot: they are read in place when a request first asks for them. A scan of 100,000 rows costs some
 * tens of ms, and a walk through them sends thousands of requests, so a scan serves for REUSE times as long as it took: scanning takes at
 * most one part in REUSE of the daemon's time, and with a few hundred rows a scan is as fresh as its snapshot.
 */
import { Col, RowKind } from '../../mib/ledger/layout.js';
import type { RowView } from '../../mib/ledger/row-view.js';
import { type InetOctets, octetsOfWords } from './address.js';

/** A connection, listener or endpoint. */
export interface SocketReading {
  /** Never two meanings. */
  readonly id: string;
  /** 6 TCP, 17 UDP, 136 UDP-Lite, 1 and 58 ICMP. */
  readonly protocol: number;
  readonly listener: boolean;
  /** TcpState's number. */
  readonly state: number;
  readonly local: InetOctets;
  readonly localPort: number;
  readonly remote: InetOctets;
  readonly remotePort: number;
  /** A number of its own among sockets of the same name. */
  readonly instance: number;
}

/** Visits every row in use; the view is the next one's afterwards. */
export interface RowSource {
  forEachRow(visit: (row: RowView) => unknown): void;
}

const REUSE = 20;
/** The columns that a reading is made of stand side by side from the generation to the remote address; inode and row number are kept behind. */
const FIRST = Col.generation;
const COLUMNS = Col.remote + 4 - FIRST;
const STRIDE = COLUMNS + 2;

export class Scans {
  private readonly source: RowSource;
  private readonly nowMs: () => number;
  private scan: readonly SocketReading[] = [];
  /** STRIDE columns for each socket of the scan. */
  private known = new Int32Array(16 * STRIDE);
  private validUntilMs = Number.NEGATIVE_INFINITY;

  constructor(source: RowSource, nowMs: () => number) {
    this.source = source;
    this.nowMs = nowMs;
  }

  /** The sockets; the array of the scan before when nothing that it shows has changed. */
  latest(): readonly SocketReading[] {
    const began = this.nowMs();
    if (began < this.validUntilMs) return this.scan;
    this.scan = this.scanned(this.scan);
    const ended = this.nowMs();
    this.validUntilMs = ended + (ended - began) * REUSE;
    return this.scan;
  }

  private scanned(before: readonly SocketReading[]): readonly SocketReading[] {
    let n = 0;
    let changed: SocketReading[] | null = null;
    this.source.forEachRow((row) => {
      const socket = n < before.length && this.isKnown(n, row) ? before[n]! : this.read(n, row);
      if (!changed && socket !== before[n]) changed = before.slice(0, n);
      changed?.push(socket);
      n++;
    });
    return changed ?? (n === before.length ? before : before.slice(0, n));
  }

  private isKnown(n: number, row: RowView): boolean {
    const { known } = this;
    const at = n * STRIDE;
    for (let i = 0; i < COLUMNS; i++) if (known[at + i] !== row.ints[FIRST + i]) return false;
    return known[at + COLUMNS] === row.ints[Col.inode] && known[at + COLUMNS + 1] === row.row;
  }

  private read(n: number, row: RowView): SocketReading {
    const at = n * STRIDE;
    if (at + STRIDE > this.known.length) {
      const larger = new Int32Array(this.known.length * 2);
      larger.set(this.known);
      this.known = larger;
    }
    const { known } = this;
    for (let i = 0; i < COLUMNS; i++) known[at + i] = row.ints[FIRST + i]!;
    known[at + COLUMNS] = row.ints[Col.inode]!;
    known[at + COLUMNS + 1] = row.row;
    return socketReading(row);
  }
}

function socketReading(row: RowView): SocketReading {
  return {
    id: row.id,
    protocol: row.protocol,
    listener: row.kind === RowKind.listener,
    state: row.state,
    local: octetsOfWords(row.family, row.ints, Col.local),
    localPort: row.localPort,
    remote: octetsOfWords(row.family, row.ints, Col.remote),
    remotePort: row.remotePort,
    instance: row.column(Col.inode) >>> 0,
  };
}
