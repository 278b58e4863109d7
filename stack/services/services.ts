/**
 * The small services of a host: echo (RFC 862), discard (RFC 863), daytime (RFC 867) and character generator (RFC 864), over TCP and UDP,
 * on the stack's own sockets.
 *
 * The hazard of UDP: two such services told to answer each other (by a datagram with a forged source) do so for ever. As BSD's inetd does
 * for its built-in services, a datagram from a port below 1024, where their like live, is not answered. It is read, and thereby counted.
 */
import { Errno } from '../core/errno.js';
import type { DatagramSocket, SocketFactory, StreamSocket } from '../socket/socket.js';
import { CharacterLines } from './characters.js';
import { DatagramService, type Reply } from './datagram-service.js';
import { Listener } from './listener.js';
import { Chargen, Daytime, Discard, Echo } from './stream-service.js';

export const ECHO_PORT = 7;
export const DISCARD_PORT = 9;
export const DAYTIME_PORT = 13;
export const CHARGEN_PORT = 19;

export interface ServiceOptions {
  /** The wall clock, for daytime. */
  readonly wallClock: () => Date;
  /** Which to start; all without. */
  readonly only?: readonly ('echo' | 'discard' | 'daytime' | 'chargen')[];
  /** Families to listen on; IPv4 alone without. */
  readonly families?: readonly (4 | 6)[];
  /** Length of the accept queues. */
  readonly backlog?: number;
}

/** `Monday, November 23, 2026 15:04:05-UTC`, the form that RFC 867 suggests. */
export function daytimeText(now: Date): string {
  const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
  const months = 'January February March April May June July August September October November December'.split(' ');
  const two = (n: number) => String(n).padStart(2, '0');
  const date = `${days[now.getUTCDay()]}, ${months[now.getUTCMonth()]} ${now.getUTCDate()}, ${now.getUTCFullYear()}`;
  return `${date} ${two(now.getUTCHours())}:${two(now.getUTCMinutes())}:${two(now.getUTCSeconds())}-UTC\r\n`;
}

export class Services {
  private readonly listeners: Listener[] = [];
  private readonly datagrams: DatagramService[] = [];

  /** Opens what `options` names. Throws an Error that names service, protocol and errno when a port cannot be had; nothing stays open then. */
  constructor(sockets: SocketFactory, options: ServiceOptions) {
    const wanted = options.only ?? ['echo', 'discard', 'daytime', 'chargen'];
    const daytime = () => new TextEncoder().encode(daytimeText(options.wallClock()));
    try {
      for (const family of options.families ?? ([4] as const)) {
        const tcp = (port: number, serve: (s: StreamSocket) => void) =>
          this.listen(sockets, family, port, options.backlog ?? 128, serve);
        const udp = (port: number, reply: Reply, several = false) => this.open(sockets, family, port, reply, several);
        if (wanted.includes('echo')) {
          tcp(ECHO_PORT, (s) => new Echo(s).start());
          udp(ECHO_PORT, (service) => service.echo(), true);
        }
        if (wanted.includes('discard')) {
          tcp(DISCARD_PORT, (s) => new Discard(s).start());
          udp(DISCARD_PORT, () => {}, true);
        }
        if (wanted.includes('daytime')) {
          tcp(DAYTIME_PORT, (s) => new Daytime(s, daytime()).start());
          udp(DAYTIME_PORT, (service) => service.answer(daytime()));
        }
        if (wanted.includes('chargen')) {
          tcp(CHARGEN_PORT, (s) => new Chargen(s).start());
          const lines = new CharacterLines();
          udp(CHARGEN_PORT, (service) => service.answer(lines.next()));
        }
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Stops listening. Connections that exist live on. */
  close(): void {
    for (const l of this.listeners.splice(0)) l.close();
    for (const d of this.datagrams.splice(0)) d.close();
  }

  private listen(sockets: SocketFactory, family: 4 | 6, port: number, backlog: number, serve: (s: StreamSocket) => void): void {
    const s = sockets.tcp(family);
    const error = Listener.bind(s, port, backlog);
    if (error !== 0) {
      s.close();
      throw new ServiceError('tcp', port, -error);
    }
    this.listeners.push(new Listener(s, serve));
  }

  private open(sockets: SocketFactory, family: 4 | 6, port: number, reply: Reply, several: boolean): void {
    const s: DatagramSocket = sockets.udp(family);
    const error = DatagramService.bind(s, port);
    if (error !== 0) {
      s.close();
      throw new ServiceError('udp', port, -error);
    }
    const service = new DatagramService(s, reply);
    if (several) service.takeSeveral();
    this.datagrams.push(service);
  }
}

/** A service's port could not be had. */
export class ServiceError extends Error {
  readonly errno: number;
  constructor(protocol: string, port: number, errno: number) {
    super(`service on ${protocol} port ${port}: ${errno === Errno.EADDRINUSE ? 'the port is in use' : `errno ${errno}`}`);
    this.name = 'ServiceError';
    this.errno = errno;
  }
}
