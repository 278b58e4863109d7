/** Which rows a request for connections asks for. */
import { isIP } from 'node:net';
import { RowKind } from '../../mib/ledger/layout.js';
import type { RowView } from '../../mib/ledger/row-view.js';
import { tcpStateNames } from '../../mib/text/states.js';
import { Problem } from './problem.js';
import { Protocols, RowKinds } from './schemas.js';

export interface ConnectionQuery {
  readonly state?: readonly string[];
  readonly kind?: readonly string[];
  readonly protocol?: readonly string[];
  readonly local?: string;
  readonly remote?: string;
}

interface End {
  /** '' for any. */
  readonly address: string;
  /** -1 for any. */
  readonly port: number;
}

/** Values of a parameter that may be repeated or separated by commas. */
export function listed(values: readonly string[] | undefined): string[] {
  return (values ?? []).flatMap((v) => v.split(',')).filter((v) => v !== '');
}

function oneOf<T extends string>(name: string, values: readonly string[] | undefined, known: readonly T[]): T[] | undefined {
  const words = listed(values).map((v) => v.toLowerCase());
  const unknown = words.find((w) => !(known as readonly string[]).includes(w));
  if (unknown !== undefined) throw new Problem('bad-parameter', `${name}: ${unknown} is none of ${known.join(', ')}`);
  return words.length > 0 ? (words as T[]) : undefined;
}

function end(name: string, text: string | undefined): End | undefined {
  if (text === undefined || text === '') return undefined;
  const m = /^(?:\[([^\]]+)\]|([^:[\]]*)|([^[\]]*:[^[\]]*:[^[\]]*))(?::(\d{1,5}))?$/.exec(text);
  const address = m?.[1] ?? m?.[2] ?? m?.[3] ?? '';
  if (!m || Number(m[4] ?? 0) > 65535 || (address !== '' && isIP(address) === 0))
    throw new Problem('bad-parameter', `${name}: ${text} is not ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT or :PORT`);
  return { address: address.toLowerCase(), port: m[4] === undefined ? -1 : Number(m[4]) };
}

const KIND_NUMBERS: Readonly<Record<(typeof RowKinds)[number], number>> = {
  connection: RowKind.connection,
  listener: RowKind.listener,
  endpoint: RowKind.endpoint,
  'time-wait': RowKind.timeWait,
  request: RowKind.request,
};
const PROTOCOL_NUMBERS: Readonly<Record<(typeof Protocols)[number], readonly number[]>> = {
  tcp: [6],
  udp: [17],
  udplite: [136],
  icmp: [1, 58],
};

/** Decides on the bare row, numbers first: of 100,000 rows only those that are shown are made into text. @throws Problem */
export function connectionFilter(q: ConnectionQuery): (row: RowView) => boolean {
  const states = new Set(listed(q.state).map((s) => s.toUpperCase().replaceAll('-', '_')));
  const unknown = [...states].find((s) => !tcpStateNames.includes(s));
  if (unknown) throw new Problem('bad-parameter', `state: ${unknown} is none of ${tcpStateNames.slice(1, -1).join(', ')}`);
  const kinds = oneOf('kind', q.kind, RowKinds)?.map((k) => KIND_NUMBERS[k]);
  const protocols = oneOf('protocol', q.protocol, Protocols)?.flatMap((p) => PROTOCOL_NUMBERS[p]);
  const local = end('local', q.local);
  const remote = end('remote', q.remote);
  return (row) =>
    (!kinds || kinds.includes(row.kind)) &&
    (!protocols || protocols.includes(row.protocol)) &&
    (states.size === 0 || states.has(stateOf(row))) &&
    (!local || local.port < 0 || local.port === row.localPort) &&
    (!remote || remote.port < 0 || remote.port === row.remotePort) &&
    (!local?.address || local.address === row.localAddress) &&
    (!remote?.address || remote.address === row.remoteAddress);
}

/** As it is shown: an endpoint that is not connected has none. */
function stateOf(row: RowView): string {
  return row.kind === RowKind.endpoint && row.state === 7 ? '' : (tcpStateNames[row.state] ?? '');
}
