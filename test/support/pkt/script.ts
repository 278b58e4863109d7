/** What a .pkt script (packetdrill's language) is made of, once it was read. Times in µs. */
export type Value = number | string | null | Value[] | { [field: string]: Value };
/** `...` in a script: anything. */
export const ANY = null;

export interface TcpOption {
  readonly kind: 'mss' | 'wscale' | 'sackOK' | 'sack' | 'TS' | 'FO' | 'FOEXP' | 'nop' | 'eol';
  readonly value?: number;
  /** TS: TSval and TSecr. SACK: edges, two a block. */
  readonly numbers?: readonly number[];
  /** Fast Open cookie, hexadecimal. */
  readonly cookie?: string;
}

export interface TcpStep {
  readonly step: 'tcp';
  readonly inbound: boolean;
  /** Letters of FSRP.UEWA. */
  readonly flags: string;
  readonly seq: number;
  readonly length: number;
  readonly ack: number | null;
  readonly window: number | null;
  readonly urgent: number;
  /** Null: `<...>`, any. */
  readonly options: readonly TcpOption[] | null;
  /** ECN codepoint of the IP header, null when the script does not say. */
  readonly ecn: number | null;
}
export interface IcmpStep {
  readonly step: 'icmp';
  readonly type: string;
  readonly code: string;
  readonly mtu: number;
  /** Sequence numbers of the quoted segment. */
  readonly seq: number;
  readonly length: number;
}
export interface CallStep {
  readonly step: 'call';
  readonly name: string;
  readonly args: readonly Value[];
  readonly result: Value;
  readonly errno: string | null;
  /** End of a blocking call, relative to its own time's base; null when it returns at once. */
  readonly end: number | null;
}
export interface CommandStep {
  readonly step: 'command';
  readonly text: string;
}
export interface AssertStep {
  readonly step: 'assert';
  readonly text: string;
}
export type Step = TcpStep | IcmpStep | CallStep | CommandStep | AssertStep;

export interface Event {
  readonly line: number;
  /** Relative to the event before. */
  readonly relative: boolean;
  readonly at: number;
  /** Latest time of a range, null without. */
  readonly until: number | null;
  /** `*`: at any time. */
  readonly anyTime: boolean;
  readonly what: Step;
}
export interface Script {
  readonly options: ReadonlyMap<string, string>;
  /** Commands before the first event. */
  readonly setup: string | null;
  readonly events: readonly Event[];
}
