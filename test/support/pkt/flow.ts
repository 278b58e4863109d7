/**
 * Which connection a script speaks of. As in packetdrill it is one at a time: the socket made last, or the child that a SYN makes of a
 * listener. Segments of other connections are not looked at.
 */
import type { ParsedFrame } from '../frames.js';
import type { TcpStep } from './script.js';
import { Numbering } from './wire.js';

export const Phase = Object.freeze({
  /** A socket that was made and no more. */
  fresh: 0,
  listening: 1,
  connecting: 2,
  synSent: 3,
  /** The peer's SYN came. */
  received: 4,
  /** It was answered. */
  answered: 5,
  open: 6,
});

const PORT = 8080;
const FIRST_CLIENT_PORT = 50000;
const NO_PORT = -1;
const SYN = 2;

export class Flow {
  readonly numbering: Numbering = new Numbering();
  phase: number;
  localPort: number;
  remotePort: number;
  /** The stack's file number, null while nobody has accepted it. */
  fd: number | null = null;
  constructor(phase: number, localPort: number, remotePort: number) {
    this.phase = phase;
    this.localPort = localPort;
    this.remotePort = remotePort;
  }
}

export class Flows {
  current: Flow | null = null;
  private readonly all: Flow[] = [];
  private clientPort = FIRST_CLIENT_PORT;

  private add(f: Flow): Flow {
    this.all.push(f);
    this.current = f;
    return f;
  }

  socketMade(fd: number): Flow {
    const f = this.add(new Flow(Phase.fresh, NO_PORT, 0));
    f.fd = fd;
    return f;
  }
  of(fd: number): Flow | undefined {
    return this.all.findLast((f) => f.fd === fd);
  }
  connects(fd: number): void {
    const f = this.of(fd);
    if (f?.phase !== Phase.fresh) return;
    f.phase = Phase.connecting;
    f.remotePort = PORT;
  }
  listens(fd: number): void {
    const f = this.of(fd);
    if (f) f.phase = Phase.listening;
  }
  accepted(fd: number): void {
    const waiting = this.all.findLast((f) => f.fd === null && f.phase >= Phase.answered);
    const f = waiting ?? this.current;
    if (f) f.fd = fd;
  }

  /** The flow of an inbound segment; a SYN to a listener makes one. */
  inbound(step: TcpStep): Flow {
    let f = this.current;
    const syn = step.flags.includes('S');
    if (!f || f.phase === Phase.listening) {
      f = this.add(new Flow(Phase.received, PORT, step.ports?.[0] ?? this.clientPort++));
      f.numbering.remoteIsn = syn ? step.seq : 0;
    } else if (f.phase === Phase.synSent && syn) {
      f.phase = Phase.open;
      f.numbering.remoteIsn = step.seq;
    }
    return f;
  }

  /** Is this segment of the current flow? A first SYN tells the port that was chosen. */
  isCurrent(frame: ParsedFrame): boolean {
    const f = this.current;
    if (!f) return false;
    if (f.phase === Phase.connecting && frame.flags & SYN && frame.dport === f.remotePort) {
      f.localPort = frame.sport;
      f.phase = Phase.synSent;
    }
    return f.localPort === frame.sport && f.remotePort === frame.dport;
  }

  /** Learns from a segment that the script expects as `step`. */
  learn(f: Flow, step: TcpStep, frame: ParsedFrame): void {
    const n = f.numbering;
    if (step.flags.includes('S') && (n.localIsn === null || f.phase === Phase.received)) {
      n.localIsn = frame.seq;
      n.scriptIsn = step.seq;
    }
    if (f.phase === Phase.received) f.phase = Phase.answered;
  }
}
