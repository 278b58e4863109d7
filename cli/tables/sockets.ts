/**
 * The table of sockets (`tsnetstat -t -u -l -a`), in the columns of net-tools 2.10. A row of the daemon and a line of /proc/net/tcp are the
 * same thing here: a SocketLine under a protocol's name.
 */
import type { ConnectionDto, TimerKindDto } from '../../mib/dto.js';
import { readSocketLine, type SocketLine } from '../../mib/text/socket-line.js';
import { tcpStateNames } from '../../mib/text/states.js';
import type { Flags } from '../flags.js';
import type { Names } from '../names.js';
import type { ProcSource } from '../sources/proc.js';

type Protocol = 'tcp' | 'udp' | 'udpl' | 'raw';
export interface SocketRow {
  readonly protocol: Protocol;
  readonly line: SocketLine;
}

/** A column of addresses is this wide; unless -W an address is cut so that it fits with its port. */
const ADDRESS_WIDTH = 23;

/** Which tables the flags ask for, in netstat's order: file, name. Without -t -u -U -w all of them. */
function tables(flags: Flags): [string, Protocol, 4 | 6][] {
  const any = flags.tcp || flags.udp || flags.udplite || flags.sctp || flags.raw;
  const both = flags.inet === flags.inet6;
  const wanted: [boolean, string, Protocol][] = [
    [flags.tcp, 'tcp', 'tcp'],
    [flags.udp, 'udp', 'udp'],
    [flags.udplite, 'udplite', 'udpl'],
    [flags.raw, 'raw', 'raw'],
  ];
  return wanted
    .filter(([wants]) => wants || !any)
    .flatMap(([, file, protocol]) => [
      ...(both || flags.inet ? [[file, protocol, 4] as [string, Protocol, 4 | 6]] : []),
      ...(both || flags.inet6 ? [[`${file}6`, protocol, 6] as [string, Protocol, 4 | 6]] : []),
    ]);
}

const FLAG = { tcp: 'tcp', udp: 'udp', udpl: 'udplite', raw: 'raw' } as const;

export interface Sockets {
  readonly rows: SocketRow[];
  readonly stderr: string;
  readonly status: number;
}

/** A protocol that was asked for by its flag and whose IPv4 file is missing is the last one shown, as in netstat. */
export function socketsOfProc(flags: Flags, source: ProcSource): Sockets {
  const rows: SocketRow[] = [];
  let stderr = '';
  let failed: Protocol | undefined;
  for (const [file, protocol, family] of tables(flags)) {
    if (failed !== undefined && failed !== protocol) break;
    const text = source.read(file);
    if (text === undefined && family === 4 && flags[FLAG[protocol]]) {
      stderr += `netstat: no support for \`AF INET (${file})' on this system.\n`;
      failed = protocol;
    }
    for (const raw of (text ?? '').split('\n').slice(1)) {
      if (raw === '') continue;
      const line = readSocketLine(raw);
      if (line) rows.push({ protocol, line });
      else stderr += `warning, got bogus ${protocol === 'udpl' ? 'udp' : protocol} line.\n`;
    }
  }
  return { rows, stderr, status: failed === undefined ? 0 : 1 };
}

const TIMERS: Readonly<Record<TimerKindDto, number>> = { off: 0, on: 1, keepalive: 2, timewait: 3, probe: 4 };
const PROTOCOLS: Readonly<Record<string, Protocol>> = { tcp: 'tcp', udp: 'udp', udplite: 'udpl' };

/** The daemon's rows in the order of the kernel's files: by protocol and family, listeners first. Ping sockets are not shown, as in netstat. */
export function socketsOfDaemon(flags: Flags, connections: readonly ConnectionDto[]): SocketRow[] {
  const rows = connections.flatMap((c) => (PROTOCOLS[c.protocol] ? [{ protocol: PROTOCOLS[c.protocol]!, line: lineOf(c) }] : []));
  return tables(flags).flatMap(([, protocol, family]) => {
    const mine = rows.filter((r) => r.protocol === protocol && r.line.family === family);
    const listens = (r: SocketRow) => r.line.state === 10;
    return [...mine.filter(listens), ...mine.filter((r) => !listens(r))];
  });
}

function lineOf(c: ConnectionDto): SocketLine {
  const tcp = c.protocol === 'tcp';
  const ownerless = c.kind === 'time-wait' || c.kind === 'request';
  return {
    family: c.family,
    local: c.local.address,
    localPort: c.local.port,
    remote: c.remote.address,
    remotePort: c.remote.port,
    remoteAny: c.remote.address === (c.family === 4 ? '0.0.0.0' : '::'),
    state: tcp ? tcpStateNames.indexOf(c.state) : c.state === '' ? 7 : 1,
    sendQ: c.kind === 'listener' ? 0 : c.sendQ,
    recvQ: c.recvQ,
    timer: TIMERS[c.timer.kind],
    timerTicks: Math.round(c.timer.expiresInMs / 10),
    retransmits: c.timer.retransmits,
    uid: ownerless ? 0 : c.uid,
    probes: c.timer.probes,
    inode: ownerless ? 0 : c.inode,
  };
}

/** Does the table show this row? Servers only with -l, everything with -a; TCP and raw tell by the remote port, UDP by the address. */
export function isShown(flags: Flags, { protocol, line }: SocketRow): boolean {
  if (flags.all) return true;
  const connected = protocol === 'tcp' ? line.remotePort !== 0 : !line.remoteAny;
  return connected !== flags.listening;
}

export function socketTable(flags: Flags, rows: readonly SocketRow[], names: Names): string {
  const what = flags.all ? '(servers and established)' : flags.listening ? '(only servers)' : '(w/o servers)';
  let head = 'Proto Recv-Q Send-Q Local Address           Foreign Address         State      ';
  if (flags.extend > 0) head += ' User       Inode     ';
  if (flags.programs) head += ' PID/Program name    ';
  if (flags.timers) head += ' Timer';
  const lines = rows.filter((r) => isShown(flags, r)).map((r) => socketLine(flags, r, names));
  return [`Active Internet connections ${what}`, head, ...lines].map((l) => `${l}\n`).join('');
}

function socketLine(flags: Flags, row: SocketRow, names: Names): string {
  const { protocol, line } = row;
  const name = line.family === 6 ? `${protocol}6` : protocol;
  const local = endText(flags, line, line.local, line.localPort, protocol, names);
  const remote = endText(flags, line, line.remote, line.remotePort, protocol, names);
  let text =
    `${name.padEnd(5)} ${String(line.recvQ).padStart(6)} ${String(line.sendQ).padStart(6)} ` +
    `${local.padEnd(ADDRESS_WIDTH)} ${remote.padEnd(ADDRESS_WIDTH)} ${stateText(row).padEnd(11)}`;
  if (flags.extend > 0) {
    const user = (flags.numericUsers ? undefined : names.user(line.uid)) ?? String(line.uid);
    text += ` ${user.padEnd(10)} ${String(line.inode).padEnd(10)}`;
  }
  if (flags.programs) text += ` ${'-'.padEnd(20)}`;
  if (flags.timers) text += ` ${timerText(row)}`;
  return text;
}

function stateText({ protocol, line }: SocketRow): string {
  if (protocol === 'tcp') return tcpStateNames[line.state] ?? '';
  if (protocol === 'raw') return String(line.state);
  return line.state === 1 ? 'ESTABLISHED' : line.state === 7 ? '' : 'UNKNOWN';
}

const TCP_TIMERS = ['off', 'on', 'keepalive', 'timewait', 'probe'];
const OTHER_TIMERS = ['off', 'on1', 'on2'];

/** `kind (seconds/retransmissions/probes)`. */
function timerText({ protocol, line }: SocketRow): string {
  const word = (protocol === 'tcp' ? TCP_TIMERS : OTHER_TIMERS)[line.timer] ?? `unkn-${line.timer}`;
  const seconds = line.timer === 0 ? '0.00' : (line.timerTicks / 100).toFixed(2);
  const retransmits = protocol === 'udp' || protocol === 'udpl' ? 0 : line.retransmits;
  return `${word} (${seconds}/${retransmits}/${line.probes})`;
}

/** UDP-Lite's ports go by UDP's names. */
function serviceText(flags: Flags, port: number, protocol: Protocol, names: Names): string {
  if (port === 0) return '*';
  if (flags.numericPorts) return String(port);
  const name = protocol === 'raw' ? names.protocol(port) : names.service(port, protocol === 'udpl' ? 'udp' : protocol);
  return name ?? String(port);
}

/** IPv4 in an IPv6 socket keeps its number: its name is looked up as an IPv6 address, which hosts files do not hold. */
function hostText(flags: Flags, line: SocketLine, address: string, names: Names): string {
  if (flags.numericHosts) return address;
  if (line.family === 6 && address === '::') return '[::]';
  if (line.family === 6 && !address.includes(':')) return address;
  return names.host(address) ?? address;
}

function endText(flags: Flags, line: SocketLine, address: string, port: number, protocol: Protocol, names: Names): string {
  const service = serviceText(flags, port, protocol, names);
  const host = hostText(flags, line, address, names);
  const room = flags.wide ? host.length : Math.max(0, ADDRESS_WIDTH - 1 - service.length);
  return `${host.slice(0, room)}:${service}`;
}
