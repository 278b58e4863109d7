/** What readers on other threads cannot see for themselves: tables in the stack's own objects, and tcp_info, which is worked out when asked for. */
import { Col, Info } from '../../mib/ledger/layout.js';
import type { Stack } from '../stack.js';
import type { Connection } from '../tcp/connection.js';
import { Pending } from '../tcp/constants.js';
import { type Flow, FlowKind } from '../tcp/table.js';
import type { TableName, Tables } from './messages.js';

export function tableOf(stack: Stack, table: TableName): Tables[TableName] {
  if (table === 'devices') return stack.interfaces();
  if (table === 'groups') return stack.groups();
  return table === 'routes' ? stack.routes() : stack.neighbours();
}

/** Chains of the connection table that are looked at between two batches: half as many connections, in about 50 µs. */
const CHAINS_PER_STEP = 64;
/** Columns of tcp_info's members, in the order in which `tcpInfo` writes them; -1 where rows have none. */
let infoColumns: Int32Array | null = null;
const columnOf = (name: string): number => (Info as Readonly<Record<string, number>>)[name] ?? -1;

/** Brings queue lengths, timers and tcp_info in the rows of connections up to date, a bounded piece at a time. */
export class RowRefresh {
  private readonly stack: Stack;
  private next = -1;
  private readonly visit = (f: Flow): void => {
    if (f.flowKind === FlowKind.connection) this.write(f as Connection);
  };

  constructor(stack: Stack) {
    this.stack = stack;
  }

  begin(): void {
    this.next = 0;
  }

  /** One piece. True when there is more. */
  step(): boolean {
    if (this.next >= 0) this.next = this.stack.tcpLayer.table.visitChains(this.next, CHAINS_PER_STEP, this.visit);
    return this.next >= 0;
  }

  private write(c: Connection): void {
    const owner = c.owner;
    if (owner.row < 0) return;
    const ledger = this.stack.ledger;
    const { ints, cells } = ledger;
    const at = ledger.headerAt(owner.row);
    const float = ledger.rowAt(owner.row);
    ledger.setQueues(owner, c.readable(), c.unacked());
    ints[at + Col.retransmits] = c.retransmits;
    ints[at + Col.probes] = c.probesOut;
    const kind = timerKind(c);
    ints[at + Col.timerKind] = kind;
    const timer = kind === 2 ? c.keepaliveTimer! : c.retransmitTimer;
    cells[float + Info.timerAtUs] = kind === 0 ? 0 : this.stack.env.timers.deadlineOf(timer);
    const info = c.info();
    infoColumns ??= Int32Array.from(Object.keys(info), columnOf);
    let i = 0; // for-in: V8 makes it a walk over the fields, where a look-up of each name took as long as all the rest
    for (const name in info) {
      const column = infoColumns[i++]!;
      if (column >= 0) cells[float + column] = info[name as keyof typeof info];
    }
  }
}

/** As /proc/net/tcp has it: 1 retransmit (or reordering, or loss probe), 4 zero-window probe, 2 keepalive, 0 none. */
function timerKind(c: Connection): number {
  if (c.retransmitTimer.armed && c.pending !== Pending.none) return c.pending === Pending.probe0 ? 4 : 1;
  return c.keepaliveTimer?.armed ? 2 : 0;
}
