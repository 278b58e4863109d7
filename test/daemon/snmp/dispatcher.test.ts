/** The operations of RFC 3416 and RFC 1157, and the counters of RFC 3418: what is not named in `moved` must not move. */
import { describe, expect, it } from 'vitest';
import type { InterfaceReading } from '../../../daemon/snmp/source.js';
import { Dev } from '../../../mib/catalogue/interface.js';
import { testAgent } from './agent.js';
import { binding, int, message, name, PDU, tlv } from './ber.js';

const SYS_DESCR = '1.3.6.1.2.1.1.1.0';
const SYS_UP_TIME = '1.3.6.1.2.1.1.3.0';
const HC_IN_OCTETS = '1.3.6.1.2.1.31.1.1.1.6.1';
const answered = { snmpOutPkts: 1, snmpOutGetResponses: 1 };
const V1 = { version: 0 };

describe('GET', () => {
  it('answers values, noSuchObject and noSuchInstance of one reading', async () => {
    const agent = testAgent();
    const r = await agent.ask(
      message(PDU.get, [SYS_UP_TIME, '1.3.6.1.2.1.1.99.0', '1.3.6.1.2.1.1.3.5', '2.999.1', '0.0'], { id: -5 }),
      {
        ...answered,
        snmpInGetRequests: 1,
        snmpInTotalReqVars: 1,
      },
    );
    expect(r).toEqual({
      version: 1,
      community: 'public',
      pdu: PDU.response,
      id: -5,
      status: 0,
      index: 0,
      bindings: [
        { oid: SYS_UP_TIME, tag: 0x43, value: 123_456n },
        { oid: '1.3.6.1.2.1.1.99.0', tag: 0x80, value: '' },
        { oid: '1.3.6.1.2.1.1.3.5', tag: 0x81, value: '' },
        { oid: '2.999.1', tag: 0x80, value: '' },
        { oid: '0.0', tag: 0x80, value: '' },
      ],
    });
    expect(agent.source.reads).toBe(1);
  });

  it('answers nothing about nothing', async () => {
    const r = await testAgent().ask(message(PDU.get, []), { ...answered, snmpInGetRequests: 1 });
    expect(r).toMatchObject({ status: 0, index: 0, bindings: [] });
  });

  it('fails as a whole for SNMPv1, also for a Counter64', async () => {
    const agent = testAgent();
    for (const missing of ['1.3.6.1.2.1.1.99.0', HC_IN_OCTETS]) {
      const r = await agent.ask(message(PDU.get, [SYS_UP_TIME, missing], V1), {
        ...answered,
        snmpInGetRequests: 1,
        snmpOutNoSuchNames: 1,
      });
      expect(r).toMatchObject({ version: 0, status: 2, index: 2 });
      expect(r!.bindings.map((b) => [b.oid, b.tag])).toEqual([
        [SYS_UP_TIME, 5],
        [missing, 5],
      ]);
    }
    expect(await agent.ask(message(PDU.get, [SYS_UP_TIME], V1))).toMatchObject({ version: 0, status: 0 });
    expect((await agent.ask(message(PDU.get, [HC_IN_OCTETS])))!.bindings[0]).toEqual({
      oid: HC_IN_OCTETS,
      tag: 0x46,
      value: 100n,
    });
  });
});

describe('GETNEXT', () => {
  it('answers the successors and endOfMibView', async () => {
    const r = await testAgent().ask(message(PDU.next, ['1.3.6.1.2.1.1.1', SYS_DESCR, '1.3.6.1.2.1.1.9.1.2.7', '1.3.9', '0.0']), {
      ...answered,
      snmpInGetNexts: 1,
      snmpInTotalReqVars: 4,
    });
    expect(r!.bindings.map((b) => [b.oid, b.tag])).toEqual([
      [SYS_DESCR, 4],
      ['1.3.6.1.2.1.1.2.0', 6],
      ['1.3.6.1.2.1.1.9.1.3.1', 4],
      ['1.3.9', 0x82],
      [SYS_DESCR, 4],
    ]);
  });

  it('skips Counter64 for SNMPv1, and fails at the end', async () => {
    const agent = testAgent();
    const skipped = await agent.ask(message(PDU.next, ['1.3.6.1.2.1.31.1.1.1.5.2'], V1));
    expect(skipped!.bindings[0]!.oid).toBe('1.3.6.1.2.1.31.1.1.1.14.1');
    const end = await agent.ask(message(PDU.next, [SYS_DESCR, '1.3.9'], V1), {
      ...answered,
      snmpInGetNexts: 1,
      snmpOutNoSuchNames: 1,
    });
    expect(end).toMatchObject({ status: 2, index: 2 });
  });
});

describe('GETBULK', () => {
  it('interleaves the walks behind the non-repeaters', async () => {
    const r = await testAgent().ask(
      message(PDU.bulk, ['1.3.6.1.2.1.1.1', '1.3.6.1.2.1.1.5', '1.3.6.1.6.3.11.2.1.2.0'], { a: 1, b: 3 }),
      {
        ...answered,
        snmpInTotalReqVars: 5,
      },
    );
    expect(r!.bindings.map((b) => [b.oid, b.tag])).toEqual([
      [SYS_DESCR, 4],
      ['1.3.6.1.2.1.1.5.0', 4],
      ['1.3.6.1.6.3.11.2.1.3.0', 0x41],
      ['1.3.6.1.2.1.1.6.0', 4],
      ['1.3.6.1.6.3.11.2.1.3.0', 0x82],
      ['1.3.6.1.2.1.1.7.0', 2],
      ['1.3.6.1.6.3.11.2.1.3.0', 0x82],
    ]);
  });

  it.each([
    ['negative numbers count as 0', { a: -3, b: -4 }, 0],
    ['no repetitions leave the non-repeaters', { a: 1, b: 0 }, 1],
    ['more non-repeaters than names', { a: 9, b: 7 }, 2],
    ['no non-repeaters, one repetition', { a: 0, b: 1 }, 2],
  ])('%s', async (_what, numbers, bindings) => {
    const r = await testAgent().ask(message(PDU.bulk, [SYS_DESCR, SYS_UP_TIME], numbers));
    expect(r).toMatchObject({ status: 0, index: 0 });
    expect(r!.bindings).toHaveLength(bindings);
  });

  it('ends with the repetition in which everything has ended', async () => {
    const r = await testAgent().ask(message(PDU.bulk, ['1.3.9', '1.4'], { b: 2 ** 31 - 1 }), answered);
    expect(r!.bindings.map((b) => [b.oid, b.tag])).toEqual([
      ['1.3.9', 0x82],
      ['1.4', 0x82],
    ]);
  });

  it.each([484, 1472, 65507])('stays within %d octets whatever is asked for, and uses them', async (limit) => {
    const agent = testAgent(limit);
    for (const from of ['0.0', '1.3', '1.3.6.1.2.1.4', '1.3.6.1.2.1.6.19', '1.3.9']) {
      const datagram = message(PDU.bulk, [from], { b: 2 ** 31 - 1 });
      expect(datagram.length).toBeLessThan(50);
      const answer = (await agent.raw(datagram))!;
      expect(answer.length).toBeLessThanOrEqual(limit);
      if (limit < 2000 && from !== '1.3.9' && from !== '1.3.6.1.2.1.6.19') expect(answer.length).toBeGreaterThan(limit - 60);
    }
  });

  it('is not an operation of SNMPv1', async () => {
    expect(await testAgent().ask(message(PDU.bulk, [SYS_DESCR], { ...V1, b: 2 }), { snmpInASNParseErrs: 1 })).toBeNull();
  });
});

describe('SET', () => {
  const bindings = [binding(SYS_DESCR, tlv(4, [65])), binding('1.3.6.1.2.1.1.3.0', int(7, 0x43))];
  it('is refused: noAccess, and the bindings come back', async () => {
    const r = await testAgent().ask(message(PDU.set, [], { bindings }), {
      ...answered,
      snmpInSetRequests: 1,
      snmpInBadCommunityUses: 1,
    });
    expect(r).toMatchObject({ status: 6, index: 1 });
    expect(r!.bindings).toEqual([
      { oid: SYS_DESCR, tag: 4, value: '41' },
      { oid: SYS_UP_TIME, tag: 0x43, value: 7n },
    ]);
  });
  it('is refused with noSuchName for SNMPv1', async () => {
    const r = await testAgent().ask(message(PDU.set, [], { ...V1, bindings }), {
      ...answered,
      snmpInSetRequests: 1,
      snmpInBadCommunityUses: 1,
      snmpOutNoSuchNames: 1,
    });
    expect(r).toMatchObject({ version: 0, status: 2, index: 1 });
  });
  it('of nothing changes nothing', async () => {
    expect(await testAgent().ask(message(PDU.set, []), { ...answered, snmpInSetRequests: 1 })).toMatchObject({
      status: 0,
      bindings: [],
    });
  });
});

describe('tooBig', () => {
  const many = new Array<string>(40).fill(SYS_DESCR);
  it('with no bindings for SNMPv2c', async () => {
    const r = await testAgent(900).ask(message(PDU.get, many), { ...answered, snmpInGetRequests: 1, snmpOutTooBigs: 1 });
    expect(r).toMatchObject({ status: 1, index: 0, bindings: [] });
  });
  it('with the request back for SNMPv1, or silence when that is too big as well', async () => {
    const r = await testAgent(900).ask(message(PDU.get, many, V1), { ...answered, snmpInGetRequests: 1, snmpOutTooBigs: 1 });
    expect(r).toMatchObject({ status: 1, index: 0 });
    expect(r!.bindings).toHaveLength(40);
    expect(await testAgent(550).ask(message(PDU.get, many, V1), { snmpInGetRequests: 1, snmpSilentDrops: 1 })).toBeNull();
  });
  it('without reading what will not fit', async () => {
    const agent = testAgent();
    let values = 0;
    const read = agent.source.read.bind(agent.source);
    agent.source.read = async () => {
      const reading = await read();
      return {
        ...reading,
        cell: (id) => {
          values++;
          return reading.cell(id);
        },
      };
    };
    const huge = message(PDU.get, new Array<string>(4500).fill('1.3.6.1.2.1.6.5.0'));
    expect(huge.length).toBeGreaterThan(60_000);
    expect(await agent.ask(huge, { ...answered, snmpInGetRequests: 1, snmpOutTooBigs: 1 })).toMatchObject({ status: 1 });
    expect(values).toBeGreaterThan(10);
    expect(values).toBeLessThan(100);
  });
  it('also when a refusal does not fit', async () => {
    const bindings = many.map((n) => binding(n, tlv(4, new Uint8Array(30))));
    const r = await testAgent().ask(message(PDU.set, [], { bindings }), {
      ...answered,
      snmpInSetRequests: 1,
      snmpInBadCommunityUses: 1,
      snmpOutTooBigs: 1,
    });
    expect(r).toMatchObject({ status: 1, bindings: [] });
  });
});

describe('what is no request of ours', () => {
  it.each([
    ['a version that is not spoken', message(PDU.get, [SYS_DESCR], { version: 3 }), 'snmpInBadVersions'],
    ['version 2', message(PDU.get, [SYS_DESCR], { version: 2 }), 'snmpInBadVersions'],
    ['a negative version', message(PDU.get, [SYS_DESCR], { version: -1 }), 'snmpInBadVersions'],
    ['a wrong community', message(PDU.get, [SYS_DESCR], { community: 'publik' }), 'snmpInBadCommunityNames'],
    ['an empty community', message(PDU.get, [SYS_DESCR], { community: '' }), 'snmpInBadCommunityNames'],
    ['a community that goes on', message(PDU.get, [SYS_DESCR], { community: 'public\0' }), 'snmpInBadCommunityNames'],
    ['a wrong community, SNMPv1', message(PDU.set, [SYS_DESCR], { ...V1, community: 'x' }), 'snmpInBadCommunityNames'],
    ['a response', message(PDU.response, [SYS_DESCR]), 'snmpUnknownPDUHandlers'],
    ['an inform', message(PDU.inform, [SYS_DESCR]), 'snmpUnknownPDUHandlers'],
    ['a trap', message(PDU.trap2, [SYS_DESCR], { community: 'x' }), 'snmpUnknownPDUHandlers'],
    ['a report', message(PDU.report, [SYS_DESCR]), 'snmpUnknownPDUHandlers'],
    ['a type that does not exist', message(0xa9, [SYS_DESCR]), 'snmpInASNParseErrs'],
    ['an SNMPv2 trap of SNMPv1', message(PDU.trap2, [SYS_DESCR], V1), 'snmpInASNParseErrs'],
    ['nothing', new Uint8Array(0), 'snmpInASNParseErrs'],
  ] as const)('%s', async (_what, datagram, counter) => {
    const agent = testAgent();
    expect(await agent.ask(datagram, { [counter]: 1 })).toBeNull();
    expect(agent.source.reads).toBe(0);
  });

  it('an SNMPv1 trap', async () => {
    const trap = tlv(
      PDU.trap,
      name('1.3.6.1.4.1'),
      tlv(0x40, [127, 0, 0, 1]),
      int(0),
      int(0),
      int(9, 0x43),
      tlv(0x30, binding(SYS_DESCR)),
    );
    const datagram = (version: number, community: number[]) => Uint8Array.from(tlv(0x30, int(version), tlv(4, community), trap));
    expect(await testAgent().ask(datagram(0, [65]), { snmpUnknownPDUHandlers: 1 })).toBeNull();
    expect(await testAgent().ask(datagram(1, [65]), { snmpInASNParseErrs: 1 })).toBeNull();
  });
});

describe('every community', () => {
  it('that is configured may read', async () => {
    expect(await testAgent().ask(message(PDU.get, [SYS_DESCR], { community: 'geheim' }))).toMatchObject({
      community: 'geheim',
      status: 0,
    });
  });
});

describe('a reading that is there', () => {
  it('is answered from in the same turn, however many wait for others', async () => {
    const agent = testAgent(1472, 0);
    expect(await agent.ask(message(PDU.get, [SYS_DESCR]), { snmpSilentDrops: 1 })).toBeNull();
    agent.source.atOnce = true;
    expect(agent.handle(message(PDU.get, [SYS_DESCR]))).toBeInstanceOf(Uint8Array);
    const moved = { ...answered, snmpInGetRequests: 1, snmpInTotalReqVars: 1 };
    expect(await agent.ask(message(PDU.get, [SYS_DESCR]), moved)).toMatchObject({ status: 0 });
  });
});

describe('requests at the same time', () => {
  it('each have their own octets, whichever reading comes first', async () => {
    const agent = testAgent(65507);
    const given: (() => void)[] = [];
    agent.source.read = () => new Promise((resolve) => given.push(() => resolve(agent.source.reading())));
    const bulk = (name: string, id: number) => message(PDU.bulk, [name], { b: 40, id });
    const names = ['1.3.6.1.2.1.2', '1.3.6.1.2.1.4', '1.3.6.1.2.1.6', '1.3.6.1.2.1.31'];
    const asked = names.map((name, i) => agent.ask(bulk(name, i)));
    for (const i of [2, 0, 3, 1]) given[i]!();
    const answers = await Promise.all(asked);
    agent.source.read = () => agent.source.reading();
    for (const [i, name] of names.entries()) {
      expect(answers[i]!.bindings.every((b) => b.oid.startsWith(`${name}.`))).toBe(true);
      expect(answers[i]).toEqual(await agent.ask(bulk(name, i)));
    }
  });

  it('do not write over an answer that is still being sent', async () => {
    const agent = testAgent(65507);
    agent.source.atOnce = true;
    const first = agent.handle(message(PDU.bulk, ['1.3.6.1.2.1.4'], { b: 100 })) as Uint8Array;
    const before = Buffer.from(first).toString('hex');
    agent.handle(message(PDU.bulk, ['1.3.6.1.2.1.6'], { b: 100 }));
    expect(Buffer.from(first).toString('hex')).toBe(before);
  });
});

describe('faults', () => {
  it('of the source are genErr', async () => {
    const agent = testAgent();
    agent.source.fail = true;
    const r = await agent.ask(message(PDU.next, [SYS_DESCR]), { ...answered, snmpInGetNexts: 1, snmpOutGenErrs: 1 });
    expect(r).toMatchObject({ status: 5, index: 1 });
    expect(r!.bindings).toEqual([{ oid: SYS_DESCR, tag: 5, value: '' }]);
  });

  it('of a source that fails at once are the same', async () => {
    const agent = testAgent();
    Object.assign(agent.source, { fail: true, atOnce: true });
    const r = await agent.ask(message(PDU.next, [SYS_DESCR]), { ...answered, snmpInGetNexts: 1, snmpOutGenErrs: 1 });
    expect(r).toMatchObject({ status: 5, index: 1 });
  });

  it('of an object are genErr with its place', async () => {
    const agent = testAgent();
    agent.source.upTimeCs = Number.NaN;
    for (const [pdu, from] of [
      [PDU.get, SYS_UP_TIME],
      [PDU.next, '1.3.6.1.2.1.1.3'],
      [PDU.bulk, '1.3.6.1.2.1.1.3'],
    ] as const) {
      const r = await agent.ask(message(pdu, [SYS_DESCR, from], { b: pdu === PDU.bulk ? 1 : 0 }));
      expect(r).toMatchObject({ status: 5, index: 2 });
    }
    expect(agent.counters.value('snmpOutGenErrs')).toBe(3);
  });

  it('of an object in the middle of a walk leave nothing of it, and the next answer is whole', async () => {
    const agent = testAgent(65507);
    const walkAll = message(PDU.bulk, ['1.3'], { b: 2000 });
    const whole = await agent.ask(walkAll);
    expect(whole!.bindings.length).toBeGreaterThan(600);
    const [lo, tap] = agent.source.interfaces as [InterfaceReading, InterfaceReading];
    // one of a column of counters, and one of a column that is written once for its rows
    for (const fault of ['counter', 'fixed'] as const) {
      const bytes = agent.source.devices[1]![Dev.rxBytes]!;
      if (fault === 'counter') agent.source.devices[1]![Dev.rxBytes] = Number.POSITIVE_INFINITY;
      else agent.source.interfaces = [lo, { ...tap, mtu: Number.NaN }];
      const moved = { ...answered, snmpOutGenErrs: 1 };
      expect(await agent.ask(walkAll, moved)).toMatchObject({
        status: 5,
        index: 1,
        bindings: [{ oid: '1.3', tag: 5 }],
      });
      const second = message(PDU.bulk, [SYS_DESCR, SYS_UP_TIME, '1.3.6.1.2.1.2.2.1', SYS_DESCR], { a: 1, b: 2000 });
      expect(await agent.ask(second, moved)).toMatchObject({ status: 5, index: 3 });
      // its neighbours in the table are none the worse
      const column = fault === 'counter' ? 10 : 4;
      const beside = [`1.3.6.1.2.1.2.2.1.${column}.1`, `1.3.6.1.2.1.2.2.1.${column - 1}.2`, `1.3.6.1.2.1.2.2.1.${column + 1}.2`];
      expect((await agent.ask(message(PDU.get, beside)))!.status).toBe(0);
      expect(await agent.ask(message(PDU.get, [`1.3.6.1.2.1.2.2.1.${column}.2`]))).toMatchObject({ status: 5, index: 1 });
      agent.source.devices[1]![Dev.rxBytes] = bytes;
      agent.source.interfaces = [lo, tap];
    }
    const unmoved = (r: typeof whole) => r!.bindings.filter((b) => !b.oid.startsWith('1.3.6.1.2.1.11.'));
    expect(unmoved(await agent.ask(walkAll))).toEqual(unmoved(whole));
  });

  it('of overload are silent drops', async () => {
    const agent = testAgent(1472, 2);
    const asked = [1, 2, 3].map(() => agent.raw(message(PDU.get, [SYS_DESCR])));
    const answers = await Promise.all(asked);
    expect(answers.map((a) => a !== null)).toEqual([true, true, false]);
    expect(agent.counters.value('snmpSilentDrops')).toBe(1);
    expect(await agent.raw(message(PDU.get, [SYS_DESCR]))).not.toBeNull();
  });
});
