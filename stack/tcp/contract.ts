/**
 * What the two halves of TCP tell each other. The connection half (connection, input, output …) is written against these interfaces; the
 * socket half (tcp, table, listener, timewait, socket …) implements them. Types and plain records only: nothing here imports either half.
 */
import type { Owner } from '../../mib/ledger/ledger.js';
import type { Env } from '../core/env.js';
import type { Packet } from '../core/packet.js';
import type { NetworkLayer } from '../ip/protocol.js';
import type { TcpHeader } from '../wire/tcp.js';
import type { Connection } from './connection.js';
import type { NumberPool } from './connection-numbers.js';
import type { MetricsCache } from './metrics.js';
import type { TcpMemory } from './tcp-memory.js';

/** What a connection needs of the layer it lives in. `TcpLayer` is one. */
export interface TcpHost {
  readonly env: Env;
  /** The packet that segments are built in: at least 64 KiB + TX_TRANSPORT. One for all, free again after `ip.output`. */
  readonly scratch: Packet;
  network(family: 4 | 6): NetworkLayer;
  readonly timeWait: TimeWaitKeeper;
  /** Where connections' numbers lie. */
  readonly numbers: NumberPool;
  readonly fastOpen: FastOpenClient;
  /** Connections that hold short data back (autocork.ts). */
  readonly corked: Connection[];
  /** What is remembered of peers. */
  readonly metrics: MetricsCache;
  /** What all connections' buffers take (tcp_mem). */
  readonly memory: TcpMemory;
  /** Initial sequence number of a 4-tuple that is set on the connection (RFC 6528). */
  initialSequence(c: Connection): number;
  /** What is added to the millisecond clock for the timestamps of this 4-tuple (RFC 7323 5.4). */
  timestampOffset(c: Connection): number;
  /** Answers a segment with the RST of RFC 9293 3.10.7.1; counts OutRsts and OutSegs on `owner`. Never answers a RST. `txHash` is the connection's. */
  sendReset(p: Packet, h: TcpHeader, owner: Owner, txHash?: number): void;
  /**
   * The connection is CLOSED for good: out of the table and the ports, its row back to the ledger (`ledger.releaseRow`). After that
   * `conn.owner` counts as unattributed. Called once, by the connection, also for an embryonic one; not after timeWait.enter said true.
   */
  remove(c: Connection): void;
  /** Connections without a user (tcp_max_orphans). The connection keeps it. */
  orphans: number;
  /** Challenge ACKs sent by the host in this second (RFC 5961 7); the connection half keeps them. */
  challengeCount: number;
  challengeStampUs: number;
}

export interface TimeWaitKeeper {
  /**
   * The connection ends and leaves a TIME-WAIT entry, or an orphan in FIN-WAIT-2 (`substate`), for `timeoutUs`. The entry takes over the
   * 4-tuple; the row is released, and `c.owner` counts as unattributed. Counts TW, TWKilled. False: no entry could be had (TCPTimeWaitOverflow has been counted): the
   * connection is then removed as any other.
   */
  enter(c: Connection, substate: number, timeoutUs: number): boolean;
}

/** Client side of Fast Open: the cookie cache (RFC 7413 4.1.3). */
export interface FastOpenClient {
  /** A SYN-ACK brought a cookie (bytes at `at` of p, 0 bytes: none), or our SYN with data was lost (`synDrop`). */
  remember(
    c: Connection,
    mss: number,
    p: Packet | null,
    at: number,
    length: number,
    experimental: boolean,
    synDrop: boolean,
  ): void;
  /** A RST or FIN without data after data in the SYN, out of order: a middlebox ate it (4.1.3.1); counts TCPFastOpenBlackhole when it disables. */
  blackhole(c: Connection): void;
}

/** Why Fast Open did not save a round trip, as tcp_info tells it. */
export const FastOpenFailure = Object.freeze({ none: 0, cookieUnavailable: 1, dataNotAcked: 2, synRetransmitted: 3 });

/** An active open that carries data or asks for a cookie. */
export class FastOpenRequest {
  /** Cookie to send; null asks for one (empty option); `noCookie` sends none at all (TCP_FASTOPEN_NO_COOKIE, sysctl bit 2). */
  cookie: Uint8Array | null = null;
  experimental = false;
  noCookie = false;
  /** The peer's MSS as cached with the cookie, 0 unknown. */
  mss = 0;
  /** How many bytes of what the user gave went into the SYN. */
  copied = 0;
  /** The option was sent: a SYN that goes again has none, since a middlebox may drop it. */
  spent = false;
  /** tcpi_fastopen_client_fail. */
  failure: number = FastOpenFailure.none;
}

/** A listener's child that was made by Fast Open still has its request: what the connection asks of it. */
export interface FastOpenServer {
  /** The final ACK came, or the child died: the request's timers and its place in the queue end. */
  done(c: Connection, reset: boolean): void;
  /** SYN-ACK is to be sent (again). */
  resend(c: Connection): void;
}

/** A socket as its connection sees it. Called from inside `input`, timers and `close`; may call back into the connection. */
export interface ConnectionUser {
  /** Bytes, end of stream or urgent data have come: poll IN, RDHUP or PRI may be set now. */
  onReadable(c: Connection): void;
  /** There is room again in the send buffer (poll OUT). */
  onWritable(c: Connection): void;
  /** The handshake is over (active: poll OUT; passive: the listener may hand it out). */
  onEstablished(c: Connection): void;
  /** `c.error` was set. */
  onError(c: Connection): void;
  /** State CLOSED: nothing more will be sent or received; what was received may still be read. */
  onClosed(c: Connection): void;
}
