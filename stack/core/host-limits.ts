/**
 * Limits that Linux sets for a host as a whole (tcp_mem, udp_mem, ipfrag_high_thresh and ip6frag_high_thresh, tcp_max_orphans,
 * tcp_max_tw_buckets, icmp_msgs_per_sec), kept by several stacks together (core/siblings.ts) in memory that all map. As in Linux's per-CPU accounts (SK_MEMORY_PCPU_RESERVE) each knows its own part
 * exactly and shows it to the others in steps, so that the data path shares no cache line with them: at the end of every batch, when it has
 * moved by a step meanwhile, and when nothing is left. So a sum may be over its limit by a step for each other stack, for a batch.
 *
 *   word 0 pressure on TCP's memory, 1 a lock on the tokens, 2 the tokens; at byte 16 since when there is pressure, at byte 24 when tokens
 *   were last given out (µs); from word 16 the parts, a cache line for each account and stack
 *
 * A stack that is the whole host has the same to itself; there are no others then, and nothing is shown to anybody.
 */

/** What is summed. */
export const Account = Object.freeze({
  tcpPages: 0,
  connections: 1,
  orphans: 2,
  timeWaits: 3,
  udp: 4,
  udpLite: 5,
  fragments4: 6,
  fragments6: 7,
});
const ACCOUNTS = 8;
const Word = Object.freeze({ pressure: 0, lock: 1, tokens: 2 });
const Stamp = Object.freeze({ pressure: 2, tokens: 3 });
const LINE = 16;
/** Octets that accounts of octets count in, and how many of these a part moves by before the others see it: 64 KiB. */
const UNIT = 256;
const STEP = 256;

export class HostLimits {
  private readonly words: Int32Array;
  private readonly stamps: Float64Array;
  private readonly index: number;
  private readonly count: number;
  private readonly octets: HostOctets[] = [];

  constructor(memory: SharedArrayBuffer, index: number, count: number) {
    this.words = new Int32Array(memory);
    this.stamps = new Float64Array(memory);
    this.index = index;
    this.count = count;
  }

  static memory(count: number): SharedArrayBuffer {
    const memory = new SharedArrayBuffer((1 + ACCOUNTS * count) * LINE * 4);
    new Float64Array(memory)[Stamp.tokens] = Number.NEGATIVE_INFINITY;
    return memory;
  }
  static alone(): HostLimits {
    return new HostLimits(HostLimits.memory(1), 0, 1);
  }

  // --- accounts

  private at(account: number, stack: number): number {
    return LINE * (1 + account * this.count + stack);
  }

  /** What the other stacks have shown. */
  others(account: number): number {
    let n = 0;
    if (this.count === 1) return n;
    for (let k = 0; k < this.count; k++) if (k !== this.index) n += Atomics.load(this.words, this.at(account, k));
    return n;
  }

  /** Shows this stack's part, unless it is within a step of what was shown. */
  show(account: number, own: number, step: number): void {
    if (this.count === 1) return;
    const at = this.at(account, this.index);
    const moved = own - this.words[at]!;
    if (moved >= step || moved <= -step || (own === 0 && moved !== 0)) Atomics.store(this.words, at, own);
  }

  /** An account of octets of this stack's. */
  octetsOf(account: number): HostOctets {
    const o = new HostOctets(this, account);
    this.octets.push(o);
    return o;
  }
  /** The end of a batch: all that these hold is shown. */
  showOctets(): void {
    for (let i = 0; i < this.octets.length; i++) this.octets[i]!.show(1);
  }
  get shared(): boolean {
    return this.count > 1;
  }

  // --- pressure

  get pressed(): boolean {
    return this.words[Word.pressure] !== 0;
  }
  /** True for the stack with which it begins. */
  beginPressure(nowUs: number): boolean {
    if (Atomics.compareExchange(this.words, Word.pressure, 0, 1) !== 0) return false;
    this.stamps[Stamp.pressure] = nowUs;
    return true;
  }
  /** How long it has lasted, µs; -1 where another stack has ended it. */
  endPressure(nowUs: number): number {
    const since = this.stamps[Stamp.pressure]!;
    return Atomics.exchange(this.words, Word.pressure, 0) === 0 ? -1 : Math.max(nowUs - since, 0);
  }

  // --- tokens

  /** Is one left? */
  get hasToken(): boolean {
    return Atomics.load(this.words, Word.tokens) > 0;
  }
  takeTokens(n: number): void {
    Atomics.sub(this.words, Word.tokens, n);
  }
  /**
   * Gives out what has come together since the last time. False: nothing, or another stack is at it.
   * @param perSecond how many come, @param most how many there can be; time counts from `minUs` up to `maxUs`
   */
  refill(nowUs: number, perSecond: number, most: number, minUs: number, maxUs: number): boolean {
    const w = this.words;
    if (Atomics.compareExchange(w, Word.lock, 0, 1) !== 0) return false;
    const gap = Math.min(nowUs - this.stamps[Stamp.tokens]!, maxUs);
    const more = gap < minUs ? 0 : Math.floor((perSecond * gap) / 1_000_000);
    if (more > 0) {
      Atomics.store(w, Word.tokens, Math.min(w[Word.tokens]! + more, most));
      this.stamps[Stamp.tokens] = nowUs;
    }
    Atomics.store(w, Word.lock, 0);
    return more > 0;
  }
}

/** What this stack's part of an account of octets is, exactly; the other stacks see it in steps. */
export class HostOctets {
  held = 0;
  private readonly limits: HostLimits;
  private readonly account: number;

  constructor(limits: HostLimits, account: number) {
    this.limits = limits;
    this.account = account;
  }

  add(octets: number): void {
    this.held += octets;
    if (this.limits.shared) this.show(STEP);
  }
  /** They are given back. A method of its own: `add` of a negated 0 would make the sum a boxed -0. */
  take(octets: number): void {
    this.held -= octets;
    if (this.limits.shared) this.show(STEP);
  }
  show(step: number): void {
    this.limits.show(this.account, Math.ceil(this.held / UNIT), step);
  }
  /** The host's. */
  get total(): number {
    return this.held + this.limits.others(this.account) * UNIT;
  }
}
