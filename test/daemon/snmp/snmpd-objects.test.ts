/**
 * Against the objects that net-snmp's snmpd shows of a Linux host (snmpd-objects.tsv: name, label, type, observed): each is served with the
 * same type, or the README says why not.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { formatOid } from '../../../daemon/snmp/oid.js';
import { testAgent } from './agent.js';

const objects = readFileSync(new URL('./snmpd-objects.tsv', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => line.split('\t') as [oid: string, name: string, type: string]);
const readme = readFileSync(new URL('../../../daemon/snmp/README.md', import.meta.url), 'utf8');
const excused = readme.slice(readme.indexOf('## What snmpd shows and this agent does not'));

describe('snmpd’s objects', () => {
  const served = new Map(testAgent().view.objects.map((o) => [formatOid(o.base), o]));

  it('are served under the same name with the same type', () => {
    const wrong = objects.filter(([oid, name, type]) => {
      const o = served.get(oid);
      return o !== undefined && (o.name !== name || o.type !== type);
    });
    expect(wrong).toEqual([]);
  });

  it('are served, or the README says why not, but not both', () => {
    const unexplained: string[] = [];
    for (const [oid, name] of objects) {
      const table = name.replace(/(?<=^ipIfStats).*/, '');
      const explained = excused.includes(`\`${name}\``) || excused.includes(`\`${table}*\``);
      if (served.has(oid) === explained) unexplained.push(name);
    }
    expect(unexplained).toEqual([]);
    expect(objects.filter(([oid]) => served.has(oid)).length).toBeGreaterThan(230);
  });
});
