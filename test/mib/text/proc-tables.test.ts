import { describe, expect, it } from 'vitest';
import { Dev } from '../../../mib/catalogue/interface.js';
import { Col, DEVICE_CELLS, Info, RowKind } from '../../../mib/ledger/layout.js';
import { Ledger } from '../../../mib/ledger/ledger.js';
import { createLedgerMemory } from '../../../mib/ledger/memory.js';
import { LedgerReader } from '../../../mib/ledger/reader.js';
import { procTcp, procUdp } from '../../../mib/text/proc-sockets.js';
import {
  procDev,
  procRoute,
  procSockstat,
  procSockstat6,
  readDev,
  readRoute,
  readRoute6,
} from '../../../mib/text/proc-tables.js';
import { readSocketLine } from '../../../mib/text/socket-line.js';

type RowShape = { kind: RowKind; columns: Record<number, number>; info?: Record<number, number> };

function rows(...shapes: RowShape[]) {
  const memory = createLedgerMemory(8);
  const ledger = new Ledger(memory, 0, 0);
  for (const { kind, columns, info } of shapes) {
    const owner = ledger.takeRow(kind);
    for (const [column, value] of Object.entries(columns)) ledger.setColumn(owner, Number(column), value);
    for (const [column, value] of Object.entries(info ?? {})) ledger.setInfo(owner, Number(column), value);
  }
  return new LedgerReader(memory).rows();
}

const ends4 = {
  [Col.family]: 4,
  [Col.local + 2]: 0xffff,
  [Col.local + 3]: 0x0a630001,
  [Col.localPort]: 7,
  [Col.remote + 2]: 0xffff,
};
const peer4 = { [Col.remote + 3]: 0x0a630002, [Col.remotePort]: 40000 };
const listener: RowShape = {
  kind: RowKind.listener,
  columns: { ...ends4, [Col.protocol]: 6, [Col.state]: 10, [Col.recvQ]: 2, [Col.sendQ]: 128, [Col.inode]: 1001 },
};
const connection: RowShape = {
  kind: RowKind.connection,
  columns: {
    ...ends4, ...peer4, [Col.protocol]: 6, [Col.state]: 1, [Col.sendQ]: 16, [Col.recvQ]: 32, [Col.timerKind]: 1, [Col.retransmits]: 1, [Col.uid]: 1000,
    [Col.probes]: 3, [Col.inode]: 1002,
  },
  info: { [Info.timerAtUs]: 1_200_000, [Info.tcpi_rto]: 204_000, [Info.tcpi_ato]: 40_000, [Info.tcpi_snd_cwnd]: 10, [Info.tcpi_snd_ssthresh]: 0x7fffffff },
}; // biome-ignore format: records
const timeWait: RowShape = {
  kind: RowKind.timeWait,
  columns: { ...ends4, ...peer4, [Col.protocol]: 6, [Col.state]: 6, [Col.timerKind]: 3 },
  info: { [Info.timerAtUs]: 41_960_000 },
};
const request: RowShape = {
  kind: RowKind.request,
  columns: { ...ends4, ...peer4, [Col.protocol]: 6, [Col.state]: 12, [Col.timerKind]: 1, [Col.retransmits]: 2 },
  info: { [Info.timerAtUs]: 2_000_000 },
};

describe('/proc/net/tcp', () => {
  it('has the lines of the kernel, listeners first', () => {
    const pad = (line: string) => line.padEnd(149);
    expect(procTcp(rows(connection, listener, timeWait, request), 4, 1_000_000).split('\n')).toEqual([
      pad('  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'),
      pad(
        '   0: 0100630A:0007 00000000:0000 0A 00000000:00000002 00:00000000 00000000     0        0 1001 1 0000000000000000 100 0 0 10 0',
      ),
      pad(
        '   1: 0100630A:0007 0200630A:9C40 01 00000010:00000020 01:00000014 00000001  1000        3 1002 1 0000000000000000 20 4 0 10 -1',
      ),
      pad('   2: 0100630A:0007 0200630A:9C40 06 00000000:00000000 03:00001000 00000000     0        0 0 3 0000000000000000'),
      pad('   3: 0100630A:0007 0200630A:9C40 03 00000000:00000000 01:00000064 00000002     0        0 0 0 0000000000000000'),
      '',
    ]);
    expect(procTcp(rows(connection), 6, 0).split('\n').length).toBe(2);
  });

  it('is read back to what the rows say', () => {
    const line = readSocketLine(procTcp(rows(connection), 4, 1_000_000).split('\n')[1]!);
    expect(line).toEqual({
      family: 4, local: '10.99.0.1', localPort: 7, remote: '10.99.0.2', remotePort: 40000, remoteAny: false, state: 1, sendQ: 16, recvQ: 32,
      timer: 1, timerTicks: 20, retransmits: 1, uid: 1000, probes: 3, inode: 1002,
    }); // biome-ignore format: a record
    expect(readSocketLine('  sl  local_address rem_address')).toBeUndefined();
  });

  it('has IPv6 in words of memory order, without padding', () => {
    const six: RowShape = {
      kind: RowKind.connection,
      columns: {
        [Col.family]: 6, [Col.protocol]: 6, [Col.state]: 1, [Col.local]: 0xfd770000, [Col.local + 3]: 2, [Col.localPort]: 80, [Col.remote]: 0xfd770000,
        [Col.remote + 3]: 1, [Col.remotePort]: 45678,
      },
    }; // biome-ignore format: a record
    const [head, line] = procTcp(rows(six, connection), 6, 0).split('\n');
    expect(head).toBe(
      '  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    );
    expect(line).toMatch(/^ {3}0: 000077FD000000000000000002000000:0050 000077FD000000000000000001000000:B26E 01 /);
    expect(readSocketLine(line!)).toMatchObject({ family: 6, local: 'fd77::2', remote: 'fd77::1', remotePort: 45678 });
  });
});

describe('/proc/net/udp', () => {
  it('has the lines of the kernel', () => {
    const endpoint: RowShape = {
      kind: RowKind.endpoint,
      columns: { ...ends4, [Col.protocol]: 17, [Col.recvQ]: 768, [Col.inode]: 2001 },
      info: { [Info.drops]: 9 },
    };
    const connected: RowShape = {
      kind: RowKind.endpoint,
      columns: { ...ends4, ...peer4, [Col.protocol]: 17, [Col.inode]: 2002 },
    };
    expect(procUdp(rows(endpoint, connected, listener), 4).split('\n')).toEqual([
      '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops'.padEnd(
        127,
      ),
      '    7: 0100630A:0007 00000000:0000 07 00000000:00000300 00:00000000 00000000     0        0 2001 2 0000000000000000 9'.padEnd(
        127,
      ),
      '    7: 0100630A:0007 0200630A:9C40 01 00000000:00000000 00:00000000 00000000     0        0 2002 2 0000000000000000 0'.padEnd(
        127,
      ),
      '',
    ]);
    expect(procUdp(rows(endpoint), 4, 136).split('\n').length).toBe(2);
  });
});

describe('the other tables', () => {
  it('/proc/net/dev is written and read; an unknown EtherType is a drop', () => {
    const cells = new Float64Array(DEVICE_CELLS);
    const values: [number, number][] = [
      [Dev.rxBytes, 3193], [Dev.rxPackets, 29], [Dev.rxDrop, 2], [Dev.rxUnknownProtos, 3], [Dev.rxOtherhost, 99], [Dev.txBytes, 206620951], [Dev.txDrop, 7],
    ]; // biome-ignore format: a table
    for (const [column, value] of values) cells[column] = value;
    const text = procDev([{ name: 'tsn0', cells }]);
    expect(text.split('\n')[2]).toBe(
      '  tsn0:    3193      29    0    5    0     0          0         0 206620951       0    0    7    0     0       0          0',
    );
    expect(readDev(text)).toEqual([
      { name: 'tsn0', values: [3193n, 29n, 0n, 5n, 0n, 0n, 0n, 0n, 206620951n, 0n, 0n, 7n, 0n, 0n, 0n, 0n] },
    ]);
  });

  it('/proc/net/route is written and read', () => {
    const text = procRoute([
      { family: 4, destination: '0.0.0.0', prefix: 0, gateway: '192.0.2.1', interface: 'eth0', metric: 0, flags: 'UG' },
      { family: 4, destination: '192.0.2.0', prefix: 24, gateway: null, interface: 'eth0', metric: 5, flags: 'U' },
      { family: 6, destination: 'fd77::', prefix: 64, gateway: null, interface: 'eth0', metric: 0, flags: 'U' },
    ]);
    expect(text.split('\n')).toEqual([
      'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT'.padEnd(127),
      'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0'.padEnd(127),
      'eth0\t000200C0\t00000000\t0001\t0\t0\t5\t00FFFFFF\t0\t0\t0'.padEnd(127),
      '',
    ]);
    expect(readRoute(text).map((r) => [r.destination, r.prefix, r.gateway, r.mask, r.flags, r.metric])).toEqual([
      ['0.0.0.0', 0, '192.0.2.1', '0.0.0.0', 3, 0],
      ['192.0.2.0', 24, '0.0.0.0', '255.255.255.0', 1, 5],
    ]);
    const six =
      'fd000000000000000000000000000000 40 0 00 fd000000000000000000000000000001 00000400 00000002 00000007 00000003     eth0\nbad\n';
    expect(readRoute6(six)).toMatchObject([
      { destination: 'fd00::', prefix: 64, gateway: 'fd00::1', metric: 1024, references: 2, use: 7, flags: 3 },
    ]);
  });

  it('sockstat has the lines of the kernel', () => {
    const n = {
      used: 18, tcpInUse: 3, tcpOrphans: 1, timeWaits: 2, udpInUse: 1, udpLiteInUse: 0, rawInUse: 0, tcpPages: 4, udpPages: 5, fragments: 1, fragmentMemory: 2304,
    }; // biome-ignore format: a record
    expect(procSockstat(n)).toBe(
      'sockets: used 18\nTCP: inuse 3 orphan 1 tw 2 alloc 4 mem 4\nUDP: inuse 1 mem 5\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 1 memory 2304\n',
    );
    expect(procSockstat6(n)).toBe('TCP6: inuse 3\nUDP6: inuse 1\nUDPLITE6: inuse 0\nRAW6: inuse 0\nFRAG6: inuse 1 memory 2304\n');
  });
});
