/**
 * Objects whose values are the catalogue's: by rule from the `smi` of its entries, none is named here a second time. An entry's object is
 * written `name oid`, with `.ipv4` or `.ipv6` behind the name for a row of a table by IP version, and an ICMP type behind that.
 */
import { counters, Udp6 } from '../../../mib/catalogue/index.js';
import { cellScalar, type SnmpObject, scalar } from '../object.js';
import type { SnmpReading } from '../source.js';
import type { SmiType } from '../value.js';

export interface CatalogueObject {
  readonly name: string;
  readonly oid: string;
  /** Of the row it fills; undefined for a scalar. */
  readonly ipVersion: 4 | 6 | undefined;
  /** Of the row it fills. */
  readonly icmpType: number | undefined;
  readonly kind: 'counter' | 'gauge' | 'constant';
  /** Its value is the sum of these cells. */
  readonly ids: readonly number[];
}

/** RFC 4113 counts both IP versions together; Linux keeps UDP over IPv6 apart. UDP-Lite is another protocol (RFC 5097) and not in it. */
const udpOverIpv6 = new Map<string, number>(Object.entries(Udp6));

function parse(): CatalogueObject[] {
  const objects: CatalogueObject[] = [];
  for (const c of counters) {
    for (const text of c.entry.smi ?? []) {
      const m = /^(\w+)(?:\.ipv([46]))?(?:\.(\d+))? ([\d.]+)(?: \(.*\))?$/.exec(text);
      if (!m) throw new TypeError(`${c.key}: cannot read its SMI object ${text}`);
      const six = c.group.name === 'Udp' ? udpOverIpv6.get(c.entry.name) : undefined;
      objects.push({
        name: m[1]!,
        oid: m[4]!,
        ipVersion: m[2] === '4' ? 4 : m[2] === '6' ? 6 : undefined,
        icmpType: m[3] === undefined ? undefined : Number(m[3]),
        kind: c.entry.kind,
        ids: six === undefined ? [c.id] : [c.id, six],
      });
    }
  }
  return objects;
}

export const catalogueObjects: readonly CatalogueObject[] = parse();

/**
 * Objects of the catalogue that the agent does not serve, and why.
 */
export const notServed: Readonly<Record<string, string>> = {
  ipv6IfStatsInTooBigErrors: 'RFC 2465 counts it per interface, the stack per host; RFC 4293 made the table obsolete',
};

/** ipReasmTimeout is a duration in the MIB; Linux, and snmpd with it, show the count of timed-out queues under it, as an INTEGER. */
const integers: readonly string[] = ['ipReasmTimeout'];

export function typeOf(object: CatalogueObject): SmiType {
  if (object.kind === 'constant' || integers.includes(object.name)) return 'INTEGER';
  if (object.kind === 'gauge') return 'Gauge32';
  return /[a-z]HC[A-Z]/.test(object.name) ? 'Counter64' : 'Counter32';
}

export function readingOf(object: CatalogueObject, reading: SnmpReading): number {
  let sum = 0;
  for (const id of object.ids) sum += reading.cell(id);
  return sum;
}

/** Every scalar of the catalogue. */
export function catalogueScalars(): SnmpObject<SnmpReading>[] {
  return catalogueObjects
    .filter((o) => o.ipVersion === undefined && !(o.name in notServed))
    .map((o) =>
      o.ids.length === 1
        ? cellScalar(o.name, o.oid, typeOf(o), o.ids[0]!)
        : scalar(o.name, o.oid, typeOf(o), (reading: SnmpReading) => readingOf(o, reading)),
    );
}
