/** A listening stream socket that hands every connection to a service. */
import { Ip6Opt, Level, Poll, So, type StreamSocket } from '../socket/socket.js';

export class Listener {
  private readonly socket: StreamSocket;
  private readonly serve: (s: StreamSocket) => void;

  constructor(socket: StreamSocket, serve: (s: StreamSocket) => void) {
    this.socket = socket;
    this.serve = serve;
    socket.onReady = (bits) => {
      if (bits & Poll.IN) this.acceptAll();
    };
    this.acceptAll();
  }

  /** 0 or -errno. */
  static bind(socket: StreamSocket, port: number, backlog: number): number {
    socket.setOption(Level.SOCKET, So.REUSEADDR, 1);
    socket.setOption(Level.IPV6, Ip6Opt.V6ONLY, 1); // refused by IPv4's; each family has a listener of its own
    const error = socket.bind(null, port);
    return error !== 0 ? error : socket.listen(backlog);
  }

  close(): void {
    this.socket.close();
  }

  private acceptAll(): void {
    for (;;) {
      const s = this.socket.accept();
      if (typeof s === 'number') return;
      this.serve(s);
    }
  }
}
