/**
 * One counter, one entry. Everything that any face of tsnetstat says about a counter (its /proc text, the sentence of `netstat -s`,
 * its OID, its Prometheus name, its probe names, its help) is derived from these entries by rule, never declared a second time.
 */

/** counter: only grows; gauge: a level; constant: configuration that the kernel prints among its counters. */
export type Kind = 'counter' | 'gauge' | 'constant';

/** How netstat 2.10 prints a counter that its table knows: always, only when nonzero, never, or as a line of an ICMP histogram. */
export type Print = 'always' | 'nonzero' | 'never' | 'icmp-in' | 'icmp-out';

export interface CounterEntry<N extends string = string> {
  /** The kernel's spelling, as in /proc/net/{snmp,netstat}; for snmp6 without the group's prefix. */
  readonly name: N;
  readonly kind: Kind;
  /** The event that moves it, in one line. */
  readonly meaning: string;
  /** SMI objects that show it, `name oid`, the instance suffix left out; empty where no MIB module has one. */
  readonly smi?: readonly string[];
  /** How the real netstat prints it; without it netstat prints `Name: value` when nonzero. */
  readonly print?: Print;
  /** The sentence, `%` for the value. */
  readonly sentence?: string;
  /** SystemTap and DTrace probe names. */
  readonly probes?: readonly string[];
  /** Its value is the cell of this per-type slot: [group of slots, slot number]. Such an entry has no cell of its own. */
  readonly slot?: readonly ['IcmpMsg.In' | 'IcmpMsg.Out' | 'Icmp6Msg.In' | 'Icmp6Msg.Out', number];
  /** Why this stack never moves it (it prints 0); absent when the stack does move it. */
  readonly unsupported?: string;
  /** The value of a constant as Linux has it by default. */
  readonly value?: number;
}

/** The kernel file a group is printed in. */
export type ProcFile = 'snmp' | 'netstat' | 'snmp6';

export interface Group<E extends readonly CounterEntry[] = readonly CounterEntry[]> {
  readonly name: string;
  readonly file: ProcFile;
  /** May a connection, listener or endpoint own these events? Then every one of its rows has cells for them. */
  readonly owned: boolean;
  readonly entries: E;
}

/** Declares that this stack does not move a counter, and why. Spread into the entry. */
export function unsupported(why: string): { readonly unsupported: string } {
  return { unsupported: why };
}

export function group<const E extends readonly CounterEntry[]>(
  name: string,
  file: ProcFile,
  owned: boolean,
  entries: E,
): Group<E> {
  return { name, file, owned, entries };
}
