import { describe, expect, it } from 'vitest';
import { CELLS, counters, Icmp6Msg, Ip, Ip6, IpExt, Tcp, TcpExt } from '../../../mib/catalogue/index.js';
import { probeName, probeSpellings, resolveProbe } from '../../../mib/probe/names.js';
import { EVENT_PROBES, PROBE_POINTS, Probe } from '../../../mib/probe/points.js';

describe('probe names', () => {
  it('are accepted in three spellings', () => {
    for (const name of ['Tcp.RetransSegs', 'tcpmib.RetransSegs', 'mib:::tcpRetransSegs']) {
      expect(resolveProbe(name), name).toEqual([Tcp.RetransSegs]);
    }
    expect(resolveProbe('linuxmib.ListenDrops')).toEqual([TcpExt.ListenDrops]);
    expect(resolveProbe('linuxmib.TCPTimeouts')).toEqual([TcpExt.TCPTimeouts]);
    expect(resolveProbe('ipmib.InNoRoutes')).toEqual([IpExt.InNoRoutes]);
    expect(resolveProbe('ipmib.InReceives')).toEqual([Ip.InReceives]);
    expect(resolveProbe('mib:::tcpHCInSegs')).toEqual([Tcp.InSegs]);
    expect(resolveProbe('mib:::ipIfStatsInHdrErrors')).toEqual([Ip.InHdrErrors, Ip6.InHdrErrors]);
    expect(resolveProbe('Icmp6.InType135')).toEqual([Icmp6Msg.In + 135]);
  });

  it('of the tapsets all resolve', () => {
    const tapsets = {
      tcpmib: 'ActiveOpens AttemptFails CurrEstab EstabResets InSegs OutRsts OutSegs PassiveOpens RetransSegs',
      ipmib:
        'InReceives InNoRoutes InAddrErrors InUnknownProtos InDiscards ForwDatagrams OutRequests ReasmTimeout ReasmReqds FragOKs FragFails',
      linuxmib: 'DelayedACKs ListenOverflows ListenDrops TCPMemoryPressures',
    };
    for (const [tapset, names] of Object.entries(tapsets)) {
      for (const name of names.split(' ')) expect(resolveProbe(`${tapset}.${name}`), `${tapset}.${name}`).toHaveLength(1);
    }
  });

  it('exist for every counter in every spelling that has one, and lead back to it', () => {
    for (const c of counters) {
      expect(resolveProbe(c.key)).toEqual([c.id]);
      for (const alias of c.entry.probes ?? [])
        expect(resolveProbe(alias.replace(/^stap:|~$/g, '')).length, alias).toBeGreaterThan(0);
      for (const name of probeSpellings(c.id)) expect(resolveProbe(name), name).toContain(c.id);
      expect(
        probeSpellings(c.id).some((n) => n.startsWith('mib:::')),
        c.key,
      ).toBe(true);
    }
  });

  it('of event probes come with both families of aliases', () => {
    for (const [i, e] of EVENT_PROBES.entries()) {
      for (const name of [e.name, ...e.aliases]) expect(resolveProbe(name), name).toEqual([CELLS + i]);
    }
    expect(resolveProbe('kernel.function("ip_rcv")')).toEqual([Probe.ipReceive]);
    expect(probeName(Probe.tcpStateChange)).toBe('tcp:state-change');
    expect(PROBE_POINTS).toBe(CELLS + EVENT_PROBES.length);
  });

  it('are refused when nothing is called so', () => {
    for (const name of [
      '',
      'Tcp',
      'Tcp.',
      'tcp.InSegs',
      'tcpmib.Nothing',
      'mib:::',
      'Tcp.insegs',
      '__proto__',
      'constructor.x',
    ]) {
      expect(resolveProbe(name), name).toEqual([]);
    }
  });
});
