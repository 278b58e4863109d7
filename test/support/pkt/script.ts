/** What a .pkt script (packetdrill's language) is made of, once it was read. Times in µs. */
export type Value = number | string | null | Value[] | { [field: string]: Value };
/** `...` in a script: anything. */
export const ANY = null;

export interface TcpOption {
  readonly kind: 'mss' | 'wscale' | 'sackOK' | 'sack' | 'TS' | 'FO' | 'FOEXP' | 'ECN' | 'md5' | 'nop' | 'eol';
  readonly value?: number;
  /** TS: TSval and TSecr. SACK: edges, two a block. */
  readonly numbers?: readonly number[];
  /** Fast Open cookie or MD5 digest, hexadecimal. */
  readonly cookie?: string;
  /** AccECN's counters in their order, as text: `e1b 1 ceb 0 e0b 1`. */
  readonly counters?: string;
}

export interface TcpStep {
  readonly step: 'tcp';
  readonly inbound: boolean;
  /** Source and destination, when the script names them: a segment of a connection that it does not follow. */
  readonly ports: readonly [number, number] | null;
  /** Letters of FSRP.UEWA, or a digit for AccECN's ACE field. */
  readonly flags: string;
  readonly seq: number;
  readonly length: number;
  readonly ack: number | null;
  readonly window: number | null;
  readonly urgent: number;
  /** Null: `<...>`, any. */
  readonly options: readonly TcpOption[] | null;
  readonly ip: IpFields;
}
/** What the script says of the IP header; null: nothing. */
export interface IpFields {
  /** One of several ECN codepoints. */
  readonly ecn: readonly number[] | null;
  readonly tos: number | null;
  readonly ttl: number | null;
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
