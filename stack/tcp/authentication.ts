/**
 * Is a segment signed as it must be (RFC 2385 with MD5, RFC 5925 TCP-AO)? Asked before anything else of it is believed, with a counter for
 * each way to be wrong; malformed options are dropped in silence, as by Linux. And with what is an answer to the segment at hand signed?
 *
 * While no socket has ever had an AO key, the option is one that nobody knows, and ignored.
 */
import { TcpExt } from '../../mib/catalogue/index.js';
import type { Owner } from '../../mib/ledger/ledger.js';
import type { Packet } from '../core/packet.js';
import { AO_HEADER, Flag, MD5_OPTION, TCP_HEADER, type TcpHeader } from '../wire/tcp.js';
import { AoConnection, verify } from './ao/connection-keys.js';
import { ANY_ID, type AoInfo, type AoKey } from './ao/key.js';
import { ReplySigner } from './ao/reply-signer.js';
import { deriveTrafficKey, extension } from './ao/segment-mac.js';
import type { Connection } from './connection.js';
import type { Listener } from './listener.js';
import type { ListenerTable } from './listeners.js';
import { localOf, remoteOf } from './reply.js';
import type { Request } from './request.js';
import { keyFor, type SignatureKey, type Signer, signatureGood } from './signature.js';

/** The option field of nearly every segment: NOP NOP TS. */
const TIMESTAMP_ONLY = 0x0101080a;
const TIMESTAMP_HEADER = 32;
/** Signs nothing, and says that there must be no answer. */
export const SILENT: unique symbol = Symbol('no answer');

export class Authentication {
  /** A socket has, or had, AO keys (Linux's static key): from then on the option counts. */
  aoUsed = false;
  /** Whom the segment at hand was for, for its answers; `noted` when any of it is set, as it hardly ever is. */
  private noted = false;
  private md5Key: SignatureKey | null = null;
  private connection: AoConnection | null = null;
  private listener: Listener | null = null;
  private request: Request | null = null;
  private readonly reply = new ReplySigner();
  private readonly listeners: ListenerTable;

  constructor(listeners: ListenerTable) {
    this.listeners = listeners;
  }

  /** A new segment is looked at; true when it cannot be signed, by the look of its options. */
  private plain(p: Packet, h: TcpHeader): boolean {
    if (this.noted) this.forget();
    h.md5At = 0;
    h.aoAt = 0;
    if (h.dataOffset === TCP_HEADER) return true;
    return h.dataOffset === TIMESTAMP_HEADER && p.view.getUint32(p.transport + TCP_HEADER) === TIMESTAMP_ONLY;
  }
  private forget(): void {
    this.noted = false;
    this.md5Key = null;
    this.connection = null;
    this.listener = null;
    this.request = null;
  }
  /** False: malformed. */
  private parse(p: Packet, h: TcpHeader): boolean {
    if (!h.parseSignatures(p, this.aoUsed ? AO_HEADER + 1 : MD5_OPTION)) return false;
    if (!this.aoUsed) h.aoAt = 0;
    return true;
  }

  // ---- must it be dropped?

  refusedBy(c: Connection, p: Packet, h: TcpHeader): boolean {
    const plain = this.plain(p, h);
    const s = c.signature;
    if (s === null && plain) return false;
    if (!plain && !this.parse(p, h)) return true;
    if (s instanceof AoConnection) {
      this.noted = true;
      this.connection = s;
      if (h.aoAt !== 0) return !s.accepts(p, h, c.owner);
      if (h.md5At === 0) return this.unsigned(s.info, c.owner);
      return this.wrongMd5(null, p, h, c.owner);
    }
    if (h.aoAt !== 0) return this.unknownAo(c.owner);
    return this.wrongMd5(s as SignatureKey | null, p, h, c.owner);
  }

  /** A segment for a listener, or for one of its half-open requests. */
  refusedByListener(l: Listener, r: Request | null, p: Packet, h: TcpHeader): boolean {
    const plain = this.plain(p, h);
    const keys = l.settings.signatureKeys;
    const ao = l.settings.ao;
    if (plain && keys === null && ao === null) return false;
    if (!plain && !this.parse(p, h)) return true;
    this.noted = true;
    this.listener = l;
    this.request = r;
    const owner = l.owner;
    if (r !== null && r.aoIds >= 0 !== (h.aoAt !== 0)) {
      owner.inc(TcpExt.TCPAOBad);
      return true;
    }
    if (h.aoAt !== 0) return ao === null ? this.unknownAo(owner) : !this.acceptsAo(ao, r, p, h, owner);
    if (h.md5At === 0 && ao?.demands(remoteOf(p))) return this.unsigned(ao, owner);
    return this.wrongMd5(keys ? keyFor(keys, remoteOf(p)) : null, p, h, owner);
  }

  /** A segment for a TIME-WAIT entry is not checked; its answers are signed. */
  forTimeWait(s: Signer | null, p: Packet, h: TcpHeader): void {
    const plain = this.plain(p, h);
    if (s === null) return;
    if (!plain) this.parse(p, h);
    this.noted = true;
    if (s instanceof AoConnection) this.connection = s;
    else this.md5Key = s as SignatureKey;
  }

  /** A segment that nobody owns. A listener of ours on the port it came from may know the MD5 key of a connection that is no more. */
  forNobody(p: Packet, h: TcpHeader): typeof SILENT | null {
    if (this.plain(p, h)) return null;
    if (!this.parse(p, h) || h.aoAt !== 0) return SILENT;
    if (h.md5At === 0) return null;
    const l = this.listeners.find(p, h.sourcePort, h.sourcePort);
    const keys = l ? l.settings.signatureKeys : null;
    const key = keys ? keyFor(keys, remoteOf(p)) : null;
    if (!key || !signatureGood(p, p.payload, h.md5At, key)) return SILENT;
    this.noted = true;
    this.md5Key = key;
    return null;
  }

  private unsigned(info: AoInfo, owner: Owner): boolean {
    owner.inc(TcpExt.TCPAORequired);
    info.unsigned++;
    return true;
  }
  private unknownAo(owner: Owner): boolean {
    owner.inc(TcpExt.TCPAOKeyNotFound);
    return true;
  }

  /** RFC 2385: a signature where none is expected, none where one is, or a wrong one. */
  private wrongMd5(key: SignatureKey | null, p: Packet, h: TcpHeader, owner: Owner): boolean {
    if (key) {
      this.noted = true;
      this.md5Key = key;
    }
    if (h.md5At === 0) {
      if (key) owner.inc(TcpExt.TCPMD5NotFound);
      return key !== null;
    }
    if (key && signatureGood(p, p.payload, h.md5At, key)) return false;
    owner.inc(key ? TcpExt.TCPMD5Failure : TcpExt.TCPMD5Unexpected);
    return true;
  }

  /** Before there is a connection: initial numbers are the request's, or those of a SYN cookie that the segment brings back. */
  private acceptsAo(info: AoInfo, r: Request | null, p: Packet, h: TcpHeader, owner: Owner): boolean {
    const key = info.forPeer(remoteOf(p), ANY_ID, p.bytes[h.aoAt + 2]!);
    if (!key) {
      owner.inc(TcpExt.TCPAOKeyNotFound);
      info.keyNotFound++;
      return false;
    }
    let theirs = h.seq;
    let ours = 0;
    if ((h.flags & (Flag.SYN | Flag.ACK)) !== Flag.SYN) {
      if (r) {
        theirs = r.rcvIsn;
        ours = r.sndIsn;
      } else if ((h.flags & (Flag.SYN | Flag.ACK)) === Flag.ACK) {
        theirs = (h.seq - 1) >>> 0;
        ours = (h.ack - 1) >>> 0;
      } else if ((h.flags & Flag.SYN) === 0) return false; // no way to know its key: as Linux, without a counter
    }
    const traffic = deriveTrafficKey(key, remoteOf(p), h.sourcePort, theirs, localOf(p), h.destinationPort, ours);
    return verify(info, key, traffic, p, h, extension(h.seq, 0, theirs), owner);
  }

  // ---- answers

  /** What signs the RST that answers the segment at hand, and has the number `seq`. Nothing answers what could not be signed right. */
  forReset(p: Packet, h: TcpHeader, seq: number): Signer | null | typeof SILENT {
    if (h.aoAt === 0) return this.md5Key;
    if (this.connection) return this.connection.reply(this.reply, p, h, seq) ?? SILENT;
    const l = this.listener;
    const key = l?.settings.ao?.forPeer(remoteOf(p), p.bytes[h.aoAt + 3]!, ANY_ID);
    if (!key) return SILENT;
    const r = this.request;
    const ours = r ? r.sndIsn : (seq - 1) >>> 0;
    const theirs = r ? r.rcvIsn : (h.seq - 1) >>> 0;
    return this.signed(key, p, h, ours, theirs, seq);
  }

  /** What signs the ACK of a TIME-WAIT entry or of a request, with the number `seq`. */
  forAck(p: Packet, h: TcpHeader, seq: number): Signer | null | typeof SILENT {
    if (this.connection) return this.connection.reply(this.reply, p, h, seq);
    const r = this.request;
    if (!r || r.aoIds < 0) return this.md5Key;
    const info = r.listener.settings.ao;
    const key = info?.forPeer(r.remote, p.bytes[h.aoAt + 3]!, ANY_ID) ?? info?.forPeer(r.remote, ANY_ID, ANY_ID);
    if (!key || h.aoAt === 0) return SILENT;
    return this.signed(key, p, h, r.sndIsn, r.rcvIsn, seq);
  }

  private signed(key: AoKey, p: Packet, h: TcpHeader, ours: number, theirs: number, seq: number): ReplySigner {
    const traffic = deriveTrafficKey(key, localOf(p), h.destinationPort, ours, remoteOf(p), h.sourcePort, theirs);
    return this.reply.with(key, traffic, key.sendId, p.bytes[h.aoAt + 2]!, extension(seq, 0, ours));
  }

  /** What signs a request's SYN-ACK: the key that the SYN asked for. SILENT when it has gone: nothing may leave unsigned. */
  forSynAck(r: Request): Signer | null | typeof SILENT {
    const { signatureKeys, ao } = r.listener.settings;
    if (r.aoIds < 0) return signatureKeys ? keyFor(signatureKeys, r.remote) : null;
    const key = ao?.forPeer(r.remote, r.aoIds >>> 8, ANY_ID);
    if (!key) return SILENT;
    const traffic = deriveTrafficKey(key, r.local, r.localPort, r.sndIsn, r.remote, r.remotePort, r.rcvIsn);
    return this.reply.with(key, traffic, r.aoIds >>> 8, r.aoIds & 255, 0);
  }
}
