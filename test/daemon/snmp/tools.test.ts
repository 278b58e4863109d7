/** Debian's own SNMP tools against the agent on a loopback port of its own. Numeric output, no MIB modules. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SnmpServer, startSnmp } from '../../../daemon/snmp/server.js';
import { udpTransport } from '../../../daemon/snmp/transport.js';
import { needs, note } from '../../support/needs.js';
import { compareNames } from './ber.js';
import { FakeSource, socket, system } from './fake-source.js';

const why = needs.tool('snmpwalk');
const run = promisify(execFile);

let server: SnmpServer;
let port = 0;
const source = new FakeSource();
beforeAll(async () => {
  const transport = await udpTransport('127.0.0.1', 0, (e) => {
    throw e;
  });
  port = transport.port;
  server = startSnmp({ source, config: { ...system, communities: ['public'] }, transports: [transport] });
});
afterAll(() => server.close());

interface Outcome {
  readonly out: string;
  readonly code: number;
}
async function tool(name: string, version: string, ...args: string[]): Promise<Outcome> {
  const common = ['-M', '/nonexistent', '-m', '', '-On', '-r', '0', '-t', '30', version, '-c', 'public'];
  const [options, names] = [args.filter((a) => a.startsWith('-')), args.filter((a) => !a.startsWith('-'))];
  try {
    const { stdout } = await run(name, [...common, ...options, `127.0.0.1:${port}`, ...names], { maxBuffer: 1 << 26 });
    return { out: stdout, code: 0 };
  } catch (error) {
    const e = error as { stdout: string; stderr: string; code: number };
    return { out: e.stdout + e.stderr, code: e.code };
  }
}

/** `.1.3.6… = Counter32: 5` by name; values of several lines do not occur. */
function parse(out: string): { oid: string; type: string; value: string }[] {
  return out
    .trim()
    .split('\n')
    .map((line) => {
      const m = /^\.([\d.]+) = (?:([\w-]+): ?)?(.*)$/.exec(line);
      if (!m) throw new Error(`cannot read ${line}`);
      return { oid: m[1]!, type: m[2] ?? 'STRING', value: m[3]! };
    });
}

describe.skipIf(why)(`snmpwalk and its kin${note(why)}`, () => {
  it('walk mib-2 in order to its end, by GETNEXT and by GETBULK alike', async () => {
    const next = parse((await tool('snmpwalk', '-v2c', '1.3.6.1.2.1')).out);
    const bulk = parse((await tool('snmpbulkwalk', '-v2c', '-Cr40', '1.3.6.1.2.1')).out);
    expect(next.length).toBeGreaterThan(500);
    for (let i = 1; i < next.length; i++) expect(compareNames(next[i - 1]!.oid, next[i]!.oid)).toBeLessThan(0);
    const stable = (list: typeof next) => list.filter((b) => !b.oid.startsWith('1.3.6.1.2.1.11.'));
    expect(stable(bulk)).toEqual(stable(next));
    expect(next.at(-1)!.oid.startsWith('1.3.6.1.2.1.31.')).toBe(true);
  });

  it('walk as SNMPv1, without any Counter64', async () => {
    const v1 = parse((await tool('snmpwalk', '-v1', '1.3.6.1.2.1')).out);
    const v2 = parse((await tool('snmpwalk', '-v2c', '1.3.6.1.2.1')).out);
    expect(v1.map((b) => b.oid)).toEqual(v2.filter((b) => b.type !== 'Counter64').map((b) => b.oid));
  });

  it('get values of every type', async () => {
    const { out } = await tool(
      'snmpget',
      '-v2c',
      '1.3.6.1.2.1.1.1.0',
      '1.3.6.1.2.1.1.2.0',
      '1.3.6.1.2.1.1.3.0',
      '1.3.6.1.2.1.6.4.0',
      '1.3.6.1.2.1.6.9.0',
      '1.3.6.1.2.1.4.20.1.1.10.77.0.2',
      '1.3.6.1.2.1.31.1.1.1.6.2',
      '1.3.6.1.2.1.2.2.1.10.2',
      '1.3.6.1.2.1.2.2.1.6.2',
      '1.3.6.1.2.1.1.99.0',
      '1.3.6.1.2.1.1.1.1',
    );
    expect(
      out
        .trim()
        .split('\n')
        .map((l) => l.trimEnd()),
    ).toEqual([
      '.1.3.6.1.2.1.1.1.0 = STRING: "tsnetstat test"',
      '.1.3.6.1.2.1.1.2.0 = OID: .0.0',
      '.1.3.6.1.2.1.1.3.0 = Timeticks: (123456) 0:20:34.56',
      '.1.3.6.1.2.1.6.4.0 = INTEGER: -1',
      '.1.3.6.1.2.1.6.9.0 = Gauge32: 3',
      '.1.3.6.1.2.1.4.20.1.1.10.77.0.2 = IpAddress: 10.77.0.2',
      `.1.3.6.1.2.1.31.1.1.1.6.2 = Counter64: ${2 ** 32 + 5000}`,
      '.1.3.6.1.2.1.2.2.1.10.2 = Counter32: 5000',
      '.1.3.6.1.2.1.2.2.1.6.2 = Hex-STRING: 02 00 5E 10 00 01',
      '.1.3.6.1.2.1.1.99.0 = No Such Object available on this agent at this OID',
      '.1.3.6.1.2.1.1.1.1 = No Such Instance currently exists at this OID',
    ]);
  });

  it('are refused a SET and told so', async () => {
    expect((await tool('snmpset', '-v2c', '1.3.6.1.2.1.1.5.0', 's', 'x')).out).toContain('Reason: noAccess');
    expect((await tool('snmpset', '-v1', '1.3.6.1.2.1.1.5.0', 's', 'x')).out).toContain('(noSuchName)');
  });

  it('get nothing with a wrong community', async () => {
    const before = server.counters.value('snmpInBadCommunityNames');
    const args = ['-r', '0', '-t', '0.3', '-v2c', '-c', 'wrong', `127.0.0.1:${port}`, '1.3.6.1.2.1.1.5.0'];
    await expect(run('snmpget', args)).rejects.toMatchObject({ code: 1 });
    expect(server.counters.value('snmpInBadCommunityNames')).toBe(before + 1);
  });

  it('bulkget what they asked for, endOfMibView included', async () => {
    const { out } = await tool('snmpbulkget', '-v2c', '-Cn1', '-Cr2', '1.3.6.1.2.1.1.1', '1.3.6.1.2.1.1.5', '1.3.9');
    expect(out.trim().split('\n')).toEqual([
      '.1.3.6.1.2.1.1.1.0 = STRING: "tsnetstat test"',
      '.1.3.6.1.2.1.1.5.0 = STRING: "host"',
      '.1.3.9 = No more variables left in this MIB View (It is past the end of the MIB tree)',
      '.1.3.6.1.2.1.1.6.0 = STRING: "here"',
      '.1.3.9 = No more variables left in this MIB View (It is past the end of the MIB tree)',
    ]);
  });

  it('walk a table of 3,000 connections', async () => {
    const kept = source.sockets;
    source.sockets = Array.from({ length: 3000 }, (_, i) => socket({ remotePort: 1024 + i, localPort: 80 }));
    try {
      const rows = parse((await tool('snmpbulkwalk', '-v2c', '-Cr50', '1.3.6.1.2.1.6.19.1.7')).out);
      expect(rows.map((r) => Number(r.oid.split('.').at(-1)))).toEqual(Array.from({ length: 3000 }, (_, i) => 1024 + i));
    } finally {
      source.sockets = kept;
    }
  });
});
