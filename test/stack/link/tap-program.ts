/** Run by tap.test.ts inside a namespace of its own: does one thing with TAPs and prints what came of it as JSON. */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { Csum, HEADROOM, MAX_FRAME, Packet } from '../../../stack/core/packet.js';
import { openTap, type TapLink } from '../../../stack/link/tap.js';
import {
  interfaceAddress,
  interfaceExists,
  interfaceIsUp,
  interfaceMtu,
  setUpHostSide,
} from '../../../stack/link/tap-host-setup.js';
import { libc } from '../../../stack/link/tap-libc.js';

const NAME = 'tapt0';
const MAC = [2, 0, 0, 0, 0, 0x77];
const KERNEL = [10, 77, 0, 1];
const US = [10, 77, 0, 2];

function failure(work: () => unknown): { code: string; message: string } {
  try {
    work();
    return { code: '', message: '' };
  } catch (e) {
    return { code: (e as NodeJS.ErrnoException).code ?? (e as Error).name, message: (e as Error).message };
  }
}

/** Waits for the next frame of an EtherType, dropping others. */
function next(tap: TapLink, p: Packet, etherType: number): boolean {
  const fds = new DataView(new ArrayBuffer(8));
  fds.setInt32(0, tap.fd, true);
  fds.setInt16(4, 1, true);
  const timeout = new DataView(new ArrayBuffer(16));
  timeout.setUint32(0, 2, true);
  for (;;) {
    while (tap.receive(p)) if (p.length >= 14 && p.view.getUint16(p.data + 12) === etherType) return true;
    const c = libc();
    if (c.ppoll(c.address(fds), 1, c.address(timeout), 0, 0) <= 0) return false;
  }
}

function arpRequest(p: Packet): void {
  p.reset(HEADROOM);
  const frame = [255, 255, 255, 255, 255, 255, ...MAC, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, ...MAC, ...US, 0, 0, 0, 0, 0, 0, ...KERNEL];
  p.bytes.set(frame, p.data);
  p.tail = p.data + frame.length;
}

const acts: Record<string, () => unknown> = {
  errors: () => {
    const tap = openTap({ name: NAME, attach: false, offloads: true });
    const result = {
      busy: failure(() => openTap({ name: NAME, attach: true, offloads: true })),
      missing: failure(() => openTap({ name: 'nosuch0', attach: true, offloads: true })),
      noTap: failure(() => openTap({ name: 'lo', attach: true, offloads: true })),
      name: failure(() => openTap({ name: 'a/b', attach: false, offloads: true })),
      long: failure(() => openTap({ name: 'x'.repeat(16), attach: false, offloads: true })),
      noInterface: failure(() => setUpHostSide('nosuch0', { address: '10.77.0.1/24' })),
      badAddress: failure(() => setUpHostSide(NAME, { address: '10.77.0.256/24' })),
    };
    tap.close();
    return result;
  },
  setup: () => {
    const before = interfaceExists(NAME);
    const tap = openTap({ name: NAME, attach: false, offloads: false });
    setUpHostSide(NAME, { address: '10.77.0.1/24', mtu: 1400 });
    const route = spawnSync('ip', ['-4', 'route', 'show', 'dev', NAME], { encoding: 'utf8' }).stdout.trim();
    const six = spawnSync('ip', ['-6', 'addr', 'show', 'dev', NAME], { encoding: 'utf8' }).stdout.trim();
    const during = { address: interfaceAddress(NAME), mtu: interfaceMtu(NAME), up: interfaceIsUp(NAME), route, six };
    tap.close();
    return { before, during, after: interfaceExists(NAME) };
  },
  frames: () => {
    const out: Record<string, unknown> = {};
    for (const offloads of [false, true]) {
      const tap = openTap({ name: NAME, attach: false, offloads });
      setUpHostSide(NAME, { address: '10.77.0.1/24' });
      const p = new Packet(HEADROOM + MAX_FRAME);
      const none = { empty: tap.receive(p), data: p.data };
      arpRequest(p);
      const sent = tap.transmit(p);
      const answered = next(tap, p, 0x806);
      out[offloads ? 'offloads' : 'plain'] = {
        none: none.empty,
        sent,
        answered,
        at: p.data,
        operation: p.view.getUint16(p.data + 20),
        sender: [...p.bytes.subarray(p.data + 28, p.data + 32)],
        features: tap.features,
      };
      tap.close();
    }
    return out;
  },
  // the kernel leaves the checksum of a datagram to a device with offloads, and finishes it for one without
  checksums: () => {
    const out: Record<string, unknown> = {};
    for (const offloads of [false, true]) {
      const tap = openTap({ name: NAME, attach: false, offloads });
      setUpHostSide(NAME, { address: '10.77.0.1/24' });
      spawnSync('ip', ['neigh', 'replace', US.join('.'), 'lladdr', '02:00:00:00:00:77', 'dev', NAME]);
      spawnSync('bash', ['-c', `echo -n hello > /dev/udp/${US.join('.')}/9999`]);
      const p = new Packet(HEADROOM + MAX_FRAME);
      const got = next(tap, p, 0x800);
      out[offloads ? 'offloads' : 'plain'] = {
        got,
        partial: p.csum === Csum.partial,
        start: p.csumStart - p.data,
        offset: p.csumOffset,
        text: Buffer.from(p.bytes.subarray(p.tail - 5, p.tail)).toString(),
      };
      tap.close();
    }
    return out;
  },
  // several queues: who may join what, and where the kernel steers
  queues: () => {
    const offloads = true;
    const first = openTap({ name: NAME, attach: false, offloads, queue: 'first' });
    setUpHostSide(NAME, { address: '10.77.0.1/24' });
    const further = openTap({ name: NAME, attach: false, offloads, queue: 'further' });
    const errors = {
      busy: failure(() => openTap({ name: NAME, attach: true, offloads, queue: 'first' })),
      single: failure(() => openTap({ name: NAME, attach: true, offloads })),
    };
    spawnSync('ip', ['neigh', 'replace', US.join('.'), 'lladdr', '02:00:00:00:00:77', 'dev', NAME]);
    const p = new Packet(HEADROOM + MAX_FRAME);
    /** Source ports of the datagrams that wait on a queue. */
    const ports = (tap: TapLink) => {
      const out: number[] = [];
      while (tap.receive(p)) if (p.view.getUint16(p.data + 12) === 0x800) out.push(p.view.getUint16(p.data + 34));
      return out;
    };
    // of 64 flows each queue gets some, and every datagram comes once
    const flows = Array.from({ length: 64 }, (_, i) => 20_000 + i);
    const sender = `const dgram = require('dgram');
      for (const port of [${flows}]) { const s = dgram.createSocket('udp4').bind(port, () => s.send('hi', 9999, '${US.join('.')}', () => s.close())); }`;
    spawnSync(process.execPath, ['-e', sender]);
    const got = [ports(first), ports(further)];
    const result = {
      errors,
      name: [first.name, further.name],
      all: [...got[0]!, ...got[1]!].sort((a, b) => a - b).join() === flows.join(),
      shares: got.map((g) => g.length > 0),
      closed: false,
      gone: false,
    };
    first.close();
    result.closed = interfaceExists(NAME);
    further.close();
    result.gone = !interfaceExists(NAME);
    return result;
  },
  queueOfSingle: () => {
    const tap = openTap({ name: NAME, attach: false, offloads: false });
    const r = {
      further: failure(() => openTap({ name: NAME, attach: true, offloads: false, queue: 'further' })),
    };
    tap.close();
    spawnSync('ip', ['tuntap', 'add', 'dev', NAME, 'mode', 'tap']);
    const first = failure(() => openTap({ name: NAME, attach: true, offloads: false, queue: 'first' }));
    spawnSync('ip', ['link', 'del', NAME]);
    return { ...r, first };
  },
  // a frame the kernel cannot take, a deleted interface
  refused: () => {
    const tap = openTap({ name: NAME, attach: false, offloads: true });
    const p = new Packet(HEADROOM + MAX_FRAME);
    arpRequest(p);
    const down = tap.transmit(p);
    setUpHostSide(NAME, { address: '10.77.0.1/24' });
    p.csum = Csum.partial;
    p.csumStart = p.tail + 100;
    const badHeader = tap.transmit(p);
    spawnSync('ip', ['link', 'del', NAME]);
    arpRequest(p);
    const whole = tap.broken;
    const gone = tap.transmit(p);
    const received = tap.receive(p);
    const result = { down, badHeader, whole, gone, received, broken: tap.broken !== 0 };
    tap.close();
    return result;
  },
};

const act = acts[process.argv[2] ?? ''];
if (!act) throw new Error(`one of ${Object.keys(acts).join(', ')}`);
console.log(JSON.stringify(act()));
