/** What a connection counts for AccECN (RFC 9768 3.2.1), made when it is agreed or the first marked packet comes. */

/** r.cep and s.cep begin here, so that a field that was zeroed shows. */
export const CEP_START = 5;

/** ECN codepoints of the IP header. */
export const Mark = Object.freeze({ none: 0, ect1: 1, ect0: 2, ce: 3 });
/** tcpi_accecn_fail_mode: ACE feedback that this end may not send or not believe, options that it may not send or not believe. */
export const AceFail = Object.freeze({ send: 1, receive: 2, optionSend: 4, optionReceive: 8 });
/** tcpi_accecn_opt_seen. */
export const OptionSeen = Object.freeze({ none: 0, empty: 1, counters: 2, bad: 3 });

/**
 * Counters are 32 bits wide and kept signed, since larger numbers would be objects of their own; tcp_info shows them unsigned. Byte counters
 * start at 0 here; on the wire some start at 1 (accecn-option.ts).
 */
export class AccEcn {
  /** This end asked for it or was asked; false where the peer answered a classic ECN-setup SYN with it, as Linux 6.18 lets it. */
  asked = false;
  /** r.cep, and how many CE packets no segment of ours has said yet. */
  receivedCe = 0;
  unsaidCe = 0;
  receivedEct1 = 0;
  receivedEct0 = 0;
  receivedCeBytes = 0;
  /** s.e1b, s.e0b, s.ceb: what the peer says of our bytes. */
  deliveredEct1 = 0;
  deliveredEct0 = 0;
  deliveredCeBytes = 0;
  /** Codepoint with which our SYN or SYN-ACK left, with which the peer's came, and that of the last segment. */
  sentMark = 0;
  synMark = 0;
  lastMark = 0;
  failMode = 0;
  optionSeen: number = OptionSeen.none;
  /** The codepoint (Mark) whose counter the last option moved, alone: without option the next bytes are its. 0: unknown. */
  likelyMark = 0;
  /** How many more segments must carry the option; how many fields it needs at least; when it was sent last; was it in the last segment? */
  demand = 0;
  leastFields = 0;
  optionUs = 0;
  optionSent = false;
  /** Packets that an ACK covers, on average, by 64. */
  usualPackets = 0;

  received(mark: number): number {
    return mark === Mark.ect1 ? this.receivedEct1 : mark === Mark.ect0 ? this.receivedEct0 : this.receivedCeBytes;
  }
  setReceived(mark: number, bytes: number): void {
    if (mark === Mark.ect1) this.receivedEct1 = bytes;
    else if (mark === Mark.ect0) this.receivedEct0 = bytes;
    else this.receivedCeBytes = bytes;
  }
  delivered(mark: number): number {
    return mark === Mark.ect1 ? this.deliveredEct1 : mark === Mark.ect0 ? this.deliveredEct0 : this.deliveredCeBytes;
  }
  addDelivered(mark: number, bytes: number): void {
    if (mark === Mark.ect1) this.deliveredEct1 = (this.deliveredEct1 + bytes) | 0;
    else if (mark === Mark.ect0) this.deliveredEct0 = (this.deliveredEct0 + bytes) | 0;
    else this.deliveredCeBytes = (this.deliveredCeBytes + bytes) | 0;
  }
  /** Place of a codepoint's counter in the option as we send it: ECT(1), CE, ECT(0). */
  fieldOf(mark: number): number {
    return mark === Mark.ect1 ? 1 : mark === Mark.ce ? 2 : 3;
  }
  notePackets(packets: number, weight: number): void {
    const was = this.usualPackets;
    const now = was === 0 ? packets << 6 : ((was << weight) - was + (packets << 6)) >> weight;
    this.usualPackets = Math.min(0xffff, now);
  }
}
