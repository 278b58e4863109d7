/** Signs one segment that no connection sends: a SYN-ACK, a RST, the ACK of TIME-WAIT or of a request. Filled in anew for each. */
import type { Packet } from '../../core/packet.js';
import { AO_HEADER, Opt, TCP_HEADER } from '../../wire/tcp.js';
import type { Signer } from '../signature.js';
import type { AoKey } from './key.js';
import { code, computeCode } from './segment-mac.js';

/** The option without its code; padding behind. */
export function reserveOption(p: Packet, at: number, key: AoKey, keyId: number, rnextId: number): void {
  const b = p.bytes;
  b[at] = Opt.AO;
  b[at + 1] = AO_HEADER + key.macBytes;
  b[at + 2] = keyId;
  b[at + 3] = rnextId;
  b.fill(0, at + AO_HEADER, at + AO_HEADER + key.macBytes);
  b.fill(Opt.NOP, at + AO_HEADER + key.macBytes, at + key.optionBytes);
}
/** The code of a segment whose first option is AO. */
export function fillCode(p: Packet, payload: number, key: AoKey, traffic: Uint32Array, sne: number): void {
  const option = p.transport + TCP_HEADER;
  computeCode(key, traffic, p, option, payload, sne);
  for (let i = 0; i < key.macBytes; i++) p.bytes[option + AO_HEADER + i] = code[i]!;
}

export class ReplySigner implements Signer {
  readonly ao = true;
  private key: AoKey | null = null;
  private traffic: Uint32Array = new Uint32Array(0);
  private keyId = 0;
  private rnextId = 0;
  private sne = 0;

  with(key: AoKey, traffic: Uint32Array, keyId: number, rnextId: number, sne: number): this {
    this.key = key;
    this.traffic = traffic;
    this.keyId = keyId;
    this.rnextId = rnextId;
    this.sne = sne;
    return this;
  }

  get optionBytes(): number {
    return this.key!.optionBytes;
  }
  reserve(p: Packet, at: number): void {
    reserveOption(p, at, this.key!, this.keyId, this.rnextId);
  }
  sign(p: Packet, payload: number): void {
    fillCode(p, payload, this.key!, this.traffic, this.sne);
  }
}
