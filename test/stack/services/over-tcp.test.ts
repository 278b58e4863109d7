/** The services over the stack's own TCP, between two hosts on a wire that loses, reorders and duplicates. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Ctl } from '../../../mib/ledger/memory.js';
import { IpAddress } from '../../../stack/core/address.js';
import { Services } from '../../../stack/services/services.js';
import { Poll, Shutdown, type StreamSocket } from '../../../stack/socket/socket.js';
import { expectSums } from '../../support/ledger.js';
import { type Host, Simulation } from '../../support/simulation.js';

const SERVER = IpAddress.from('10.0.0.2');
let sim: Simulation;
let client: Host;
let server: Host;

beforeEach(() => {
  sim = new Simulation(77);
  const wire = sim.wire({ both: { delayUs: 2000, loss: 0.01, reorder: 0.02, duplicate: 0.01 } });
  client = sim.host(wire.a, { mac: '02:00:00:00:00:0a', addresses: ['10.0.0.1/24'] });
  server = sim.host(wire.b, { mac: '02:00:00:00:00:0b', addresses: ['10.0.0.2/24'] });
  new Services(server.stack, { wallClock: () => new Date(0) });
});

/** A client that sends `out`, half-closes when told to, and keeps what comes. */
class Client {
  readonly got: number[] = [];
  ended = false;
  private readonly socket: StreamSocket;
  private readonly out: Uint8Array;
  private readonly finish: boolean;
  private at = 0;
  private readonly buffer = new Uint8Array(65536);

  constructor(port: number, out: Uint8Array, finish: boolean) {
    this.socket = client.stack.tcp(4);
    this.out = out;
    this.finish = finish;
    this.socket.onReady = (bits) => this.ready(bits);
    this.socket.connect(SERVER, port);
  }
  close(): void {
    this.socket.close();
  }
  private ready(bits: number): void {
    while (bits & Poll.OUT && this.at < this.out.length) {
      const n = this.socket.send(this.out, this.at, this.out.length - this.at, 0);
      if (n < 0) break;
      this.at += n;
      if (this.at === this.out.length && this.finish) this.socket.shutdown(Shutdown.WR);
    }
    for (;;) {
      const n = this.socket.receive(this.buffer, 0, this.buffer.length, 0);
      if (n === 0) this.ended = true;
      if (n <= 0) return;
      for (let i = 0; i < n; i++) this.got.push(this.buffer[i]!);
    }
  }
}

describe('services over TCP', () => {
  const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7919) >>> 8);

  it('echo: 300 kB come back unchanged, and the end after them', () => {
    const c = new Client(7, bytes, true);
    expect(sim.run(() => c.ended)).toBe(true);
    expect(Buffer.from(c.got).equals(Buffer.from(bytes))).toBe(true);
    c.close();
    sim.pass(120_000_000);
    for (const h of [client, server]) expectSums(h.ledger);
  });

  it('discard: takes all and says nothing', () => {
    const c = new Client(9, bytes, true);
    expect(sim.run(() => c.ended)).toBe(true);
    expect(c.got).toEqual([]);
  });

  it('daytime: one line', () => {
    const c = new Client(13, new Uint8Array(0), false);
    expect(sim.run(() => c.ended)).toBe(true);
    expect(Buffer.from(c.got).toString()).toBe('Thursday, January 1, 1970 00:00:00-UTC\r\n');
  });

  it('chargen: RFC 864 for as long as one reads, and nothing is left when one leaves', () => {
    const c = new Client(19, new Uint8Array(0), false);
    expect(sim.run(() => c.got.length > 500_000)).toBe(true);
    const lines = Buffer.from(c.got).toString('latin1').split('\r\n');
    for (let n = 0; n < 6000; n++) {
      expect(lines[n]).toBe(String.fromCharCode(...Array.from({ length: 72 }, (_, i) => 0x20 + ((n + i) % 95))));
    }
    c.close();
    sim.pass(300_000_000);
    // The four listeners and the four UDP endpoints.
    expect(Atomics.load(server.ledger.control, Ctl.rowsUsed)).toBe(8);
    for (const h of [client, server]) expectSums(h.ledger);
  });
});
