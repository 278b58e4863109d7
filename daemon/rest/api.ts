/** The answers of the REST API, from the view. No HTTP here: routes.ts says where each is to be had. */

import type { ProcFile } from '../../mib/catalogue/entry.js';
import { counters as catalogueCounters, groups as catalogueGroups } from '../../mib/catalogue/index.js';
import type {
  ConnectionCountersDto,
  ConnectionDto,
  ConnectionsDto,
  CounterOwnersDto,
  CountersDto,
  GroupsDto,
  GroupsOfInterfacesDto,
  InterfacesDto,
  NeighboursDto,
  RoutesDto,
  SnapshotDto,
} from '../../mib/dto.js';
import type { RowView } from '../../mib/ledger/row-view.js';
import { groupsOfCells } from '../../mib/snapshot.js';
import { procNetstat, procSnmp, procSnmp6 } from '../../mib/text/proc-counters.js';
import type { View } from '../view.js';
import { type ConnectionQuery, connectionFilter, listed } from './connection-filter.js';
import { Problem } from './problem.js';

const GROUPS: readonly string[] = [...catalogueGroups.map((g) => g.name), 'IcmpMsg'];
const procWriters: Readonly<Record<ProcFile, (cells: ArrayLike<number>) => string>> = {
  snmp: procSnmp,
  netstat: procNetstat,
  snmp6: procSnmp6,
};
const CONSTANTS = catalogueCounters.filter((c) => c.entry.kind === 'constant');
const DEFAULT_LIMIT = 1000;

export interface CountersRequest {
  readonly group?: readonly string[];
  readonly nonzero?: boolean;
}

export class Api {
  private readonly view: View;
  constructor(view: View) {
    this.view = view;
  }

  async header(): Promise<SnapshotDto> {
    return (await this.view.snapshot()).header();
  }

  /** @throws Problem for an unknown group */
  async counters(q: CountersRequest): Promise<CountersDto> {
    const chosen = chooser(q);
    const snapshot = await this.view.snapshot();
    return { ...snapshot.header(), counters: chosen(snapshot.counters()) };
  }

  /** @throws Problem for an unknown group */
  async counterOwners(q: CountersRequest): Promise<CounterOwnersDto> {
    const chosen = chooser(q);
    const snapshot = await this.view.snapshot();
    const sums = (cells: ArrayLike<number>) => chosen(withoutConstants(groupsOfCells(cells)));
    return {
      ...snapshot.header(),
      counters: sums(snapshot.cells),
      rows: sums(this.view.reader.sumOfRows()),
      closed: sums(snapshot.closed),
      unattributed: sums(snapshot.unattributed),
    };
  }

  /** The text of the kernel's files, which netstat, nstat and node_exporter read. */
  async procText(file: ProcFile | undefined, onSnapshot: (header: SnapshotDto) => void): Promise<string> {
    const snapshot = await this.view.snapshot();
    onSnapshot(snapshot.header());
    const files: readonly ProcFile[] = file ? [file] : ['snmp', 'netstat', 'snmp6'];
    return files.map((f) => procWriters[f](snapshot.cells)).join('');
  }

  /** @throws Problem for parameters that mean nothing */
  async connections(
    q: ConnectionQuery & { readonly closed?: boolean; readonly limit?: number; readonly cursor?: string },
  ): Promise<ConnectionsDto> {
    const wanted = connectionFilter(q);
    const from = cursorOf(q.cursor);
    const [snapshot] = await Promise.all([this.view.snapshot(), this.view.refreshInfo()]);
    const context = this.view.reader.context(snapshot);
    const limit = q.limit ?? DEFAULT_LIMIT;
    const connections: ConnectionDto[] = [];
    let next: string | null = null;
    if (q.closed) {
      const closed = this.view.reader.closedRows().filter(wanted);
      connections.push(...closed.slice(from, from + limit).map((row) => row.toJSON(context)));
      if (closed.length > from + limit) next = String(from + limit);
    } else {
      this.view.reader.forEachRow(
        (row) => {
          if (!wanted(row)) return;
          if (connections.length === limit) {
            next = String(row.row);
            return false;
          }
          connections.push(row.toJSON(context));
        },
        false,
        from,
      );
    }
    return { ...snapshot.header(), connections, next };
  }

  /** @throws Problem when there is none of this id or name */
  async connection(id: string): Promise<SnapshotDto & { connection: ConnectionDto; closed: boolean }> {
    const [snapshot] = await Promise.all([this.view.snapshot(), this.view.refreshInfo()]);
    const found = this.find(id);
    return { ...snapshot.header(), connection: found.view.toJSON(this.view.reader.context(snapshot)), closed: found.closed };
  }

  /** @throws Problem when there is none of this id or name */
  async connectionCounters(id: string): Promise<ConnectionCountersDto> {
    const [snapshot] = await Promise.all([this.view.snapshot(), this.view.refreshInfo()]);
    const { view, closed } = this.find(id);
    if (this.view.reader.isTimeWaitEntry(view)) {
      throw new Problem('no-connection', `${id}: is in TIME-WAIT; its counters were added to those of closed connections`);
    }
    return {
      ...snapshot.header(),
      connection: view.toJSON(this.view.reader.context(snapshot)),
      closed,
      counters: groupsOfCells(view.cells(snapshot.cells)),
    };
  }

  private find(id: string): { view: RowView; closed: boolean } {
    const found = /^\d+\.\d+$/.test(id) ? this.view.reader.findRow(id) : this.view.reader.findRowByName(id);
    if (!found)
      throw new Problem('no-connection', `${id}: neither a connection's id (row.generation) nor its name (LOCAL-REMOTE)`);
    return found;
  }

  async interfaces(): Promise<InterfacesDto> {
    const { snapshot, interfaces } = await this.view.moment();
    return { ...snapshot.header(), interfaces: [...interfaces] };
  }
  async routes(): Promise<RoutesDto> {
    const [header, routes] = await Promise.all([this.header(), this.view.routes()]);
    return { ...header, routes: [...routes] };
  }
  async neighbours(): Promise<NeighboursDto> {
    const [header, neighbours] = await Promise.all([this.header(), this.view.neighbours()]);
    return { ...header, neighbours: [...neighbours] };
  }
  async groups(): Promise<GroupsOfInterfacesDto> {
    const [header, groups] = await Promise.all([this.header(), this.view.groups()]);
    return { ...header, groups: [...groups] };
  }
}

/** Which groups and counters a request asks for. @throws Problem for an unknown group */
function chooser(q: CountersRequest): (groups: GroupsDto) => GroupsDto {
  const wanted = listed(q.group);
  const unknown = wanted.find((g) => !GROUPS.includes(g));
  if (unknown) throw new Problem('unknown-group', `group: ${unknown} is none of ${GROUPS.join(', ')}`);
  return (groups) => {
    const chosen: GroupsDto = {};
    for (const [group, values] of Object.entries(groups)) {
      if (wanted.length > 0 && !wanted.includes(group)) continue;
      chosen[group] = q.nonzero ? Object.fromEntries(Object.entries(values).filter(([, n]) => n !== 0)) : values;
    }
    return chosen;
  };
}

/** Settings that the kernel prints among its counters belong to nobody. */
function withoutConstants(groups: GroupsDto): GroupsDto {
  for (const { group, entry } of CONSTANTS) delete groups[group.name]![entry.name];
  return groups;
}

/** A cursor is the number of the row (of the history: the position) to go on with. */
function cursorOf(text: string | undefined): number {
  if (text === undefined || text === '') return 0;
  if (!/^\d{1,9}$/.test(text)) throw new Problem('bad-cursor', `cursor: ${text} was not given by this list`);
  return Number(text);
}
