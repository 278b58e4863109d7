/**
 * TCP-AO on one connection (RFC 5925 4.4, 7.4, 7.5): its keys, which of them signs (the peer chooses: RNextKeyID), traffic keys, and the
 * extensions of sequence numbers. Made when a connection is signed, never else; a TIME-WAIT entry keeps it.
 *
 * Extensions are kept as Linux does, against SND.UNA and RCV.NXT: what wraps is seen when the next segment is signed or checked, and every
 * one is, so nothing is done on the path of connections without keys.
 */
import { TcpExt } from '../../../mib/catalogue/index.js';
import type { Owner } from '../../../mib/ledger/ledger.js';
import type { Packet } from '../../core/packet.js';
import { AO_HEADER, Flag, type TcpHeader } from '../../wire/tcp.js';
import type { Connection } from '../connection.js';
import type { Signer } from '../signature.js';
import { TcpState } from '../state.js';
import type { Flow } from '../table.js';
import { ANY_ID, type AoInfo, type AoKey } from './key.js';
import { fillCode, type ReplySigner, reserveOption } from './reply-signer.js';
import { codeGood, deriveTrafficKey, extension } from './segment-mac.js';

/** Is the code of an inbound segment right? Counts it as good or bad. */
export function verify(
  info: AoInfo,
  key: AoKey,
  traffic: Uint32Array,
  p: Packet,
  h: TcpHeader,
  sne: number,
  owner: Owner,
): boolean {
  const good = h.aoLength === AO_HEADER + key.macBytes && codeGood(key, traffic, p, h.aoAt, p.payload, sne);
  owner.inc(good ? TcpExt.TCPAOGood : TcpExt.TCPAOBad);
  if (good) {
    info.good++;
    key.good++;
  } else {
    info.bad++;
    key.bad++;
  }
  return good;
}

export class AoConnection implements Signer {
  readonly ao = true;
  readonly info: AoInfo;
  private readonly c: Connection;
  /** Extensions of SND.UNA and RCV.NXT as last seen. */
  private sendSne = 0;
  private receiveSne = 0;
  private una = 0;
  private nxt = 0;
  private tracking = false;
  /** The connection is over: its numbers are those of then. */
  private ended = false;

  constructor(c: Connection, info: AoInfo) {
    this.c = c;
    this.info = info;
    for (const k of info.keys) {
      k.send = null;
      k.receive = null;
    }
  }

  // ---- signing

  get optionBytes(): number {
    return this.info.current!.optionBytes;
  }
  reserve(p: Packet, at: number): void {
    const { current, rnext } = this.info;
    reserveOption(p, at, current!, current!.sendId, rnext!.receiveId);
  }
  sign(p: Packet, payload: number): void {
    const v = p.view;
    const key = this.info.current!;
    const flags = v.getUint16(p.transport + 12);
    const seq = v.getUint32(p.transport + 4);
    const c = this.c;
    if ((flags & (Flag.SYN | Flag.ACK)) === Flag.SYN) {
      const first = deriveTrafficKey(key, c.local, c.localPort, c.iss, c.remote, c.remotePort, 0);
      fillCode(p, payload, key, first, 0);
    } else fillCode(p, payload, key, this.sendKey(key), this.sendExtension(seq));
  }

  /**
   * Signs the answer to segment `h` whose sequence number is `seq`: with the key that the peer asked for. Null when there is none, or the
   * segment was not signed.
   */
  reply(signer: ReplySigner, p: Packet, h: TcpHeader, seq: number): ReplySigner | null {
    if (h.aoAt === 0) return null;
    const key = this.info.byId(p.bytes[h.aoAt + 3]!, ANY_ID);
    if (!key) return null;
    return signer.with(key, this.sendKey(key), key.sendId, this.info.rnext!.receiveId, this.sendExtension(seq));
  }

  // ---- checking

  /** Counts, and follows the peer's wish for another key. False: the segment must be dropped. */
  accepts(p: Packet, h: TcpHeader, owner: Owner): boolean {
    const { info, c } = this;
    const keyId = p.bytes[h.aoAt + 2]!;
    const key = info.rnext?.receiveId === keyId ? info.rnext : info.byId(ANY_ID, keyId);
    if (!key) {
      owner.inc(TcpExt.TCPAOKeyNotFound);
      info.keyNotFound++;
      return false;
    }
    if ((h.flags & (Flag.SYN | Flag.ACK)) === Flag.SYN) return verify(info, key, this.firstKey(key, h), p, h, 0, owner);
    if (!synchronized(c.state)) return verify(info, key, this.openingKey(key, h), p, h, 0, owner);
    this.track();
    if (!verify(info, key, this.receiveKey(key), p, h, extension(h.seq, this.receiveSne, this.nxt), owner)) return false;
    const wish = p.bytes[h.aoAt + 3]!;
    if (wish !== info.current!.sendId) {
      const next = info.byId(wish, ANY_ID);
      if (next) info.current = next;
    }
    return true;
  }

  /** RFC 5925 7.8: hard errors that come by ICMP are not believed. */
  ignoresIcmp(of: Flow): boolean {
    if (this.info.acceptIcmps) return false;
    if (of === this.c && !synchronized(this.c.state)) return false;
    of.owner.inc(TcpExt.TCPAODroppedIcmps);
    this.info.droppedIcmps++;
    return true;
  }

  // ---- traffic keys

  private firstKey(key: AoKey, h: TcpHeader): Uint32Array {
    const c = this.c;
    return deriveTrafficKey(key, c.remote, c.remotePort, h.seq, c.local, c.localPort, 0);
  }
  /** Before the connection stands, as Linux does: a SYN-ACK's own number is the peer's first, and so it takes a RST's. */
  private openingKey(key: AoKey, h: TcpHeader): Uint32Array {
    const c = this.c;
    const theirs = h.flags & (Flag.SYN | Flag.RST) ? h.seq : c.irs;
    return deriveTrafficKey(key, c.remote, c.remotePort, theirs, c.local, c.localPort, c.iss);
  }
  private receiveKey(key: AoKey): Uint32Array {
    const c = this.c;
    key.receive ??= deriveTrafficKey(key, c.remote, c.remotePort, c.irs, c.local, c.localPort, c.iss);
    return key.receive;
  }
  private sendKey(key: AoKey): Uint32Array {
    if (key.send) return key.send;
    const c = this.c;
    const made = deriveTrafficKey(key, c.local, c.localPort, c.iss, c.remote, c.remotePort, c.irs);
    if (c.state !== TcpState.SYN_SENT) key.send = made;
    return made;
  }

  // ---- sequence number extensions

  private track(): void {
    if (this.ended) return;
    const c = this.c;
    if (!this.tracking) {
      this.tracking = true;
      this.una = c.iss;
      this.nxt = c.irs;
    }
    if (c.sndUna < this.una) this.sendSne++;
    if (c.rcvNxt < this.nxt) this.receiveSne++;
    this.una = c.sndUna;
    this.nxt = c.rcvNxt;
  }
  private sendExtension(seq: number): number {
    if (this.c.state === TcpState.SYN_SENT) return 0;
    this.track();
    return extension(seq, this.sendSne, this.una);
  }

  /** The connection ends and gives its numbers back, but segments may still be answered: with keys that are derived now. */
  end(): void {
    this.track();
    for (const k of this.info.keys) this.sendKey(k);
    this.ended = true;
  }
}

function synchronized(state: number): boolean {
  switch (state) {
    case TcpState.ESTABLISHED:
    case TcpState.FIN_WAIT1:
    case TcpState.FIN_WAIT2:
    case TcpState.CLOSE_WAIT:
    case TcpState.LAST_ACK:
    case TcpState.CLOSING:
      return true;
    default:
      return false;
  }
}
