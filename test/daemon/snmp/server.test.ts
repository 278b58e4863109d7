import { createSocket, type Socket } from 'node:dgram';
import { EventEmitter, once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { type SnmpConfig, SnmpConfigError, type SnmpServer, startSnmp } from '../../../daemon/snmp/server.js';
import { type DatagramSocketLike, socketTransport, TransportError, udpTransport } from '../../../daemon/snmp/transport.js';
import { message, PDU, readResponse } from './ber.js';
import { FakeSource, system } from './fake-source.js';

const config: SnmpConfig = { ...system, communities: ['public'] };
const SYS_NAME = '1.3.6.1.2.1.1.5.0';
const noErrors = (error: Error) => {
  throw error;
};

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0)) await close();
});

async function onLoopback(address = '127.0.0.1') {
  const transport = await udpTransport(address, 0, noErrors);
  const server = startSnmp({ source: new FakeSource(), config, transports: [transport] });
  cleanUp.push(() => server.close());
  return { transport, server };
}

function client(): Socket {
  const socket = createSocket('udp4');
  cleanUp.push(() => new Promise<void>((done) => socket.close(() => done())));
  return socket;
}

/** A socket shaped like node:dgram's, as the userspace stack has one. */
class FakeSocket extends EventEmitter implements DatagramSocketLike {
  sent: { datagram: Uint8Array; port: number; address: string }[] = [];
  failure: Error | null = null;
  closed = false;
  send(datagram: Uint8Array, port: number, address: string, done?: (error: Error | null) => void) {
    if (this.failure?.message === 'thrown') throw this.failure;
    this.sent.push({ datagram, port, address });
    done?.(this.failure);
    this.emit('sent');
  }
  close(done?: () => void) {
    this.closed = true;
    done?.();
  }
}

describe('startSnmp', () => {
  it('answers over UDP on loopback', async () => {
    const { transport, server } = await onLoopback();
    const socket = client();
    socket.send(message(PDU.get, [SYS_NAME]), transport.port, '127.0.0.1');
    const [datagram] = (await once(socket, 'message')) as [Buffer];
    expect(readResponse(datagram).bindings).toEqual([{ oid: SYS_NAME, tag: 4, value: Buffer.from('host').toString('hex') }]);
    expect(server.counters.value('snmpOutPkts')).toBe(1);
  });

  it('says once of each kind why it answers genErr', async () => {
    const source = new FakeSource();
    const socket = new FakeSocket();
    const faults: string[] = [];
    const transports = [socketTransport(socket, '10.77.0.2', 'x', noErrors)];
    const server = startSnmp({ source, config, transports, onFault: (e) => faults.push(e.message) });
    cleanUp.push(() => server.close());
    const ask = async (oid: string) => {
      socket.emit('message', message(PDU.get, [oid]), { port: 1, address: '127.0.0.1' });
      await once(socket, 'sent');
    };
    source.fail = true;
    for (let i = 0; i < 3; i++) await ask(SYS_NAME);
    source.fail = false;
    source.upTimeCs = Number.NaN;
    for (let i = 0; i < 3; i++) await ask('1.3.6.1.2.1.1.3.0');
    expect(faults).toHaveLength(2);
    expect(server.counters.value('snmpOutGenErrs')).toBe(6);
  });

  it('answers on several transports with one set of counters, also on one that comes later', async () => {
    const { server } = await onLoopback();
    for (const port of [5001, 5002]) {
      const socket = new FakeSocket();
      server.listen(socketTransport(socket, '10.77.0.2', 'stack', noErrors));
      socket.emit('message', message(PDU.get, [SYS_NAME]), { address: '10.77.0.1', port });
      await once(socket, 'sent');
      expect(socket.sent).toMatchObject([{ port, address: '10.77.0.1' }]);
      expect(readResponse(socket.sent[0]!.datagram).status).toBe(0);
    }
    expect(server.counters.value('snmpInPkts')).toBe(2);
  });

  it('tells of datagrams that could not be sent, and goes on', async () => {
    const errors: string[] = [];
    const socket = new FakeSocket();
    const server: SnmpServer = startSnmp({
      source: new FakeSource(),
      config,
      transports: [socketTransport(socket, '10.77.0.2', 'stack', (e) => errors.push(e.message))],
    });
    const ask = () => socket.emit('message', message(PDU.get, [SYS_NAME]), { address: '10.77.0.1', port: 9 });
    for (const what of ['unreachable', 'thrown']) {
      socket.failure = new Error(what);
      ask();
      while (errors.at(-1) !== what) await Promise.resolve();
    }
    socket.emit('error', new Error('later'));
    expect(errors).toEqual(['unreachable', 'thrown', 'later']);
    await server.close();
    expect(socket.closed).toBe(true);
    const before = socket.sent.length;
    ask();
    while (server.counters.value('snmpOutPkts') < 3) await Promise.resolve();
    await Promise.resolve();
    expect(socket.sent).toHaveLength(before);
  });

  it.each([
    ['10.77.0.2', 1472],
    ['fd77::2', 1452],
    ['0.0.0.0', 1472],
    ['::', 1452],
    ['127.0.0.1', 65507],
    ['127.8.8.8', 65507],
    ['::1', 65488],
  ])('an answer at %s has at most %i octets: one frame', async (address, most) => {
    const socket = new FakeSocket();
    const server = startSnmp({ source: new FakeSource(), config, transports: [socketTransport(socket, address, 'x', noErrors)] });
    cleanUp.push(() => server.close());
    const everything = async (repetitions: number) => {
      socket.emit('message', message(PDU.bulk, ['1.3'], { b: repetitions }), { port: 1, address });
      await once(socket, 'sent');
      return socket.sent.at(-1)!.datagram.length;
    };
    const whole = await everything(2000);
    expect(whole).toBeLessThanOrEqual(most);
    // a name more would not fit, or the view has ended
    if (most < 2000) expect(whole).toBeGreaterThan(most - 60);
    else expect(readResponse(socket.sent.at(-1)!.datagram).bindings.at(-1)!.tag).toBe(0x82);
  });

  it('a setting can only make answers smaller', async () => {
    const socket = new FakeSocket();
    const small = { ...config, maxMessageSize: 600 };
    const server = startSnmp({
      source: new FakeSource(),
      config: small,
      transports: [socketTransport(socket, '127.0.0.1', 'x', noErrors)],
    });
    cleanUp.push(() => server.close());
    socket.emit('message', message(PDU.bulk, ['1.3'], { b: 2000 }), { port: 1, address: '127.0.0.1' });
    await once(socket, 'sent');
    expect(socket.sent[0]!.datagram.length).toBeLessThanOrEqual(600);
  });

  it('says in one line that the port is in use', async () => {
    const { transport } = await onLoopback();
    const busy = udpTransport('127.0.0.1', transport.port, noErrors);
    await expect(busy).rejects.toThrow(TransportError);
    await expect(busy).rejects.toThrow(`SNMP cannot listen on UDP 127.0.0.1:${transport.port}: the port is in use`);
  });

  it('says that this host has no such address', async () => {
    await expect(udpTransport('192.0.2.77', 0, noErrors)).rejects.toThrow('this host has no such address');
  });

  it.each<[string, Partial<SnmpConfig>]>([
    ['a message size below 484', { maxMessageSize: 483 }],
    ['a message size beyond UDP', { maxMessageSize: 65508 }],
    ['an empty community', { communities: ['public', ''] }],
    ['a text of 256 octets', { sysLocation: 'x'.repeat(256) }],
  ])('refuses %s', (_what, wrong) => {
    expect(() => startSnmp({ source: new FakeSource(), config: { ...config, ...wrong }, transports: [] })).toThrow(
      SnmpConfigError,
    );
  });
});
