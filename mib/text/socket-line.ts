/** A line of /proc/net/{tcp,tcp6,udp,udp6}; raw and udplite look the same. proc-sockets.ts writes them. */
import { addressText } from './address.js';

/** A word of memory as a little-endian machine shows it, and back. */
export function swapped(word: number): number {
  return ((word >>> 24) | ((word >>> 8) & 0xff00) | ((word << 8) & 0xff0000) | (word << 24)) >>> 0;
}

export interface SocketLine {
  readonly family: 4 | 6;
  /** Printable, as inet_ntop prints it; IPv4 in an IPv6 file is printed as IPv4. */
  readonly local: string;
  readonly localPort: number;
  readonly remote: string;
  readonly remotePort: number;
  /** No remote address at all: 0.0.0.0 or ::. */
  readonly remoteAny: boolean;
  readonly state: number;
  readonly sendQ: number;
  readonly recvQ: number;
  readonly timer: number;
  /** 1/100 s. */
  readonly timerTicks: number;
  readonly retransmits: number;
  readonly uid: number;
  readonly probes: number;
  readonly inode: number;
}

const LINE =
  /^\s*-?\d+: ([0-9A-Fa-f]{1,64}):([0-9A-Fa-f]+)\s+([0-9A-Fa-f]{1,64}):([0-9A-Fa-f]+)\s+([0-9A-Fa-f]+)\s+([0-9A-Fa-f]+):([0-9A-Fa-f]+)\s+([0-9A-Fa-f]+):([0-9A-Fa-f]+)\s+([0-9A-Fa-f]+)\s+(-?\d+)\s+(-?\d+)\s+(\d+)/;

function wordsOf(text: string): number[] {
  if (text.length <= 8) return [0, 0, 0xffff, swapped(Number.parseInt(text, 16))];
  return [0, 8, 16, 24].map((at) => swapped(Number.parseInt(text.slice(at, at + 8) || '0', 16)));
}

/** Undefined for a line that is none. */
export function readSocketLine(line: string): SocketLine | undefined {
  const m = LINE.exec(line);
  if (!m) return undefined;
  const n = (i: number) => Number.parseInt(m[i]!, 16);
  const family = m[1]!.length > 8 ? 6 : 4;
  const local = wordsOf(m[1]!);
  const remote = wordsOf(m[3]!);
  const text = (w: number[]) =>
    family === 6 && w[0] === 0 && w[1] === 0 && w[2] === 0xffff ? addressText(4, w, 0) : addressText(family, w, 0);
  return {
    family,
    local: text(local),
    localPort: n(2),
    remote: text(remote),
    remotePort: n(4),
    remoteAny: remote.every((w, i) => w === 0 || (family === 4 && i === 2)),
    state: n(5),
    sendQ: n(6),
    recvQ: n(7),
    timer: n(8),
    timerTicks: n(9),
    retransmits: n(10),
    uid: Number(m[11]),
    probes: Number(m[12]),
    inode: Number(m[13]),
  };
}
