/**
 * What MSG_ERRQUEUE reads: reports beside the stream. MSG_ZEROCOPY sends are reported when the peer has acknowledged their bytes and the
 * buffer could be used again (Linux's msg_zerocopy): one report a range of sends. This stack copies at once, so each says "copied".
 */
import { after } from './seq.js';

/** struct sock_extended_err. */
export class ErrorReport {
  readonly errno: number;
  readonly origin: number;
  readonly code: number;
  /** First and last send of a range. */
  readonly info: number;
  data: number;
  /** A time that is told along (SCM_TIMESTAMPING), -1 without. */
  timeUs = -1;
  /** The segment is part of the report, too: longer than any buffer that is given for it. */
  whole = false;

  constructor(errno: number, origin: number, code: number, info: number, data: number) {
    this.errno = errno;
    this.origin = origin;
    this.code = code;
    this.info = info;
    this.data = data;
  }
}
export const ErrorOrigin = Object.freeze({ local: 1, icmp: 2, icmp6: 3, timestamping: 4, zeroCopy: 5 });
const COPIED = 1;

export class ErrorQueue {
  private readonly reports: ErrorReport[] = [];
  /** Ends of the sends that are not reported yet, in sequence numbers; the first is number `done`. */
  private readonly ends: number[] = [];
  private done = 0;

  get length(): number {
    return this.reports.length;
  }
  /** Sends that wait for their acknowledgement. */
  get pending(): number {
    return this.ends.length;
  }

  /** A send with MSG_ZEROCOPY whose bytes end before `endSeq`. */
  sent(endSeq: number): void {
    this.ends.push(endSeq);
  }

  /** Everything below `una` is acknowledged; `all`: the connection is gone. True when there is a new report. */
  acknowledged(una: number, all: boolean): boolean {
    let n = 0;
    while (n < this.ends.length && (all || !after(this.ends[n]!, una))) n++;
    if (n === 0) return false;
    this.ends.splice(0, n);
    const last = this.reports.at(-1);
    if (last?.origin === ErrorOrigin.zeroCopy && last.data + 1 === this.done) last.data += n;
    else this.reports.push(new ErrorReport(0, ErrorOrigin.zeroCopy, COPIED, this.done, this.done + n - 1));
    this.done += n;
    return true;
  }

  /** Reports that came about elsewhere. */
  add(more: ErrorReport[]): void {
    this.reports.push(...more.splice(0));
  }

  /** The oldest report, null when there is none. */
  take(): ErrorReport | null {
    return this.reports.shift() ?? null;
  }
}
