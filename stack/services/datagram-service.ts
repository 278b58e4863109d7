/** The services' UDP sides: one object a socket. */

import type { IpAddress } from '../core/address.js';
import { ANY4 } from '../core/address.js';
import { type DatagramSocket, type Endpoint, Ip6Opt, Level, Poll, ReceivedFrom, UdpOpt } from '../socket/socket.js';

const MAX_DATAGRAM = 65507;
/** Source ports below this one belong to services: not answered, lest two of them answer each other for ever. */
const FIRST_CLIENT_PORT = 1024;

/** What a service does with a datagram that may be answered. */
export type Reply = (service: DatagramService) => void;

/** The sender, in a form that sockets take. Reused. */
class Sender implements Endpoint {
  address: IpAddress = ANY4;
  port = 0;
}

export class DatagramService {
  private readonly socket: DatagramSocket;
  private readonly reply: Reply;
  private readonly buffer = new Uint8Array(MAX_DATAGRAM);
  private readonly from = new ReceivedFrom();
  private readonly sender = new Sender();
  private length = 0;

  constructor(socket: DatagramSocket, reply: Reply) {
    this.socket = socket;
    this.reply = reply;
    socket.onReady = (bits) => {
      if (bits & (Poll.IN | Poll.ERR)) this.drain();
    };
    this.drain();
  }

  /** 0 or -errno. */
  static bind(socket: DatagramSocket, port: number): number {
    socket.setOption(Level.IPV6, Ip6Opt.V6ONLY, 1); // refused by IPv4's; each family has a socket of its own
    return socket.bind(null, port);
  }

  close(): void {
    this.socket.close();
  }

  /** From now on datagrams that came in one super-frame are taken as one (UDP_GRO): for services that do with many what they do with each. */
  takeSeveral(): void {
    this.socket.setOption(Level.UDP, UdpOpt.GRO, 1);
  }

  /** Sends the datagram back, or as many as came together in one call too. */
  echo(): void {
    const size = this.from.segmentSize;
    if (this.socket.sendTo(this.buffer, 0, this.length, 0, this.sender, size) >= 0 || size === 0) return;
    // a way back with a smaller MTU has them fragmented one by one
    for (let at = 0; at < this.length; at += size) {
      this.socket.sendTo(this.buffer, at, Math.min(size, this.length - at), 0, this.sender, 0);
    }
  }
  /** A reply that cannot be sent is lost, as datagrams may be; the socket has counted it. */
  answer(data: Uint8Array): void {
    this.socket.sendTo(data, 0, data.length, 0, this.sender);
  }

  /** Reads until nothing is left. A pending error is taken and says nothing. */
  private drain(): void {
    for (;;) {
      const n = this.socket.receiveFrom(this.buffer, 0, this.buffer.length, 0, this.from);
      if (n < 0) {
        if ((this.socket.poll() & Poll.IN) === 0) return;
        continue;
      }
      this.length = n;
      if (this.from.port < FIRST_CLIENT_PORT) continue;
      this.sender.address = this.from.address!;
      this.sender.port = this.from.port;
      this.reply(this);
    }
  }
}
