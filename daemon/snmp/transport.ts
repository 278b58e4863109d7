/**
 * Where datagrams come from: a minimal interface, and its implementation for any socket shaped as node:dgram's: the host's own UDP and the
 * userspace stack's datagram façade.
 */
import { createSocket, type Socket, type SocketOptions } from 'node:dgram';
import { lookup as lookupName } from 'node:dns';
import { isIP } from 'node:net';
import { endpointText, isLoopback } from '../../mib/text/address.js';

export interface SnmpTransport {
  /** `127.0.0.1:1161`. */
  readonly name: string;
  /** Octets of the largest datagram that leaves in one frame. */
  readonly maxMessageSize: number;
  /** Called for each datagram; `reply` sends one back to its sender and never throws. */
  onMessage(receive: (datagram: Uint8Array, reply: (answer: Uint8Array) => void) => void): void;
  close(): Promise<void>;
}

/** What is used of a node:dgram Socket. */
export interface DatagramSocketLike {
  on(event: 'message', listener: (datagram: Uint8Array, from: { address: string; port: number }) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  send(datagram: Uint8Array, port: number, address: string, done?: (error: Error | null) => void): unknown;
  close(done?: () => void): unknown;
}

/** SNMP's octets in a frame of Ethernet behind the headers of IP and UDP. */
const ETHERNET4 = 1472;
const ETHERNET6 = 1452;
/** And in one of loopback, whose MTU is 65536; over IPv4 a datagram ends before that does. */
const LOOPBACK4 = 65507;
const LOOPBACK6 = 65488;

/** What fits one frame on the way to who asks at this address. */
function unfragmented(family: number, address: string): number {
  if (isLoopback(address)) return family === 6 ? LOOPBACK6 : LOOPBACK4;
  return family === 6 ? ETHERNET6 : ETHERNET4;
}

/** The port cannot be had. The message is for the user. */
export class TransportError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'TransportError';
  }
}

/**
 * A transport over a socket that is bound already. @param address that it is bound to, which says how large answers may be @param onError told
 * what the socket reports later; a datagram that cannot be sent is lost, as UDP's are
 */
export function socketTransport(
  socket: DatagramSocketLike,
  address: string,
  name: string,
  onError: (error: Error) => void,
): SnmpTransport {
  let closed = false;
  const sent = (error: Error | null) => {
    if (error) onError(error);
  };
  socket.on('error', onError);
  return {
    name,
    maxMessageSize: unfragmented(address.includes(':') ? 6 : 4, address),
    onMessage(receive) {
      socket.on('message', (datagram, from) => {
        receive(datagram, (answer) => {
          if (closed) return;
          try {
            socket.send(answer, from.port, from.address, sent);
          } catch (error) {
            onError(error instanceof Error ? error : new Error(String(error)));
          }
        });
      });
    },
    close() {
      if (closed) return Promise.resolve();
      closed = true;
      return new Promise((resolve) => socket.close(() => resolve()));
    },
  };
}

/** Binds a UDP socket of the host. Rejects with one TransportError when the address cannot be had. @param port 0: any, see `port` of the result */
export async function udpTransport(
  address: string,
  port: number,
  onError: (error: Error) => void,
): Promise<SnmpTransport & { readonly port: number }> {
  const family = address.includes(':') ? 6 : 4;
  // askers are known by their addresses: nothing to look up, and no turn of the loop to wait for it
  const lookup: NonNullable<SocketOptions['lookup']> = (host, options, done) => {
    if (isIP(host) !== 0) done(null, host, family);
    else lookupName(host, options, done);
  };
  const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4', lookup });
  try {
    await bound(socket, address, port);
  } catch (error) {
    throw new TransportError(explain(error, address, port), error);
  }
  const actual = socket.address();
  return { ...socketTransport(socket, actual.address, endpointText(family, address, actual.port), onError), port: actual.port };
}

function bound(socket: Socket, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      socket.close();
      reject(error);
    };
    socket.once('error', failed);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', failed);
      resolve();
    });
  });
}

function explain(error: unknown, address: string, port: number): string {
  const where = `SNMP cannot listen on UDP ${endpointText(address.includes(':') ? 6 : 4, address, port)}`;
  switch ((error as { code?: unknown }).code) {
    case 'EADDRINUSE':
      return `${where}: the port is in use`;
    case 'EACCES':
      return `${where}: ports below 1024 need root or CAP_NET_BIND_SERVICE`;
    case 'EADDRNOTAVAIL':
      return `${where}: this host has no such address`;
    default:
      return `${where}: ${error instanceof Error ? error.message : String(error)}`;
  }
}
