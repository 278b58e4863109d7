/** A stack with its link, built from a StackConfig, and its way through life on a thread: start, run, orderly end. */
import { randomBytes } from 'node:crypto';
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { Ledger } from '../../mib/ledger/ledger.js';
import { Errno } from '../core/errno.js';
import { SeededRandom } from '../core/random.js';
import { Siblings } from '../core/siblings.js';
import { SysctlTable } from '../core/sysctl.js';
import type { Link } from '../link/link.js';
import { PcapLink } from '../link/pcap.js';
import { PcapFile } from '../link/pcap-file.js';
import { openTap, type TapLink } from '../link/tap.js';
import { bringInterfaceUp, interfaceIsUp, parsePrefix, setUpHostSide } from '../link/tap-host-setup.js';
import { Services } from '../services/services.js';
import { Stack } from '../stack.js';
import type { Connection } from '../tcp/connection.js';
import { FlowKind } from '../tcp/table.js';
import { stackClock } from './clock.js';
import type { StackConfig } from './config.js';
import { ConflictLog } from './conflict-log.js';
import { Stop, Waker } from './control.js';
import { EmbeddedPeer } from './embedded-peer.js';
import { RowRefresh, tableOf } from './introspection.js';
import { type Pollable, StackLoop } from './loop.js';
import type { HostMessage, ThreadData, ThreadMessage, ThreadSiblings } from './messages.js';
import { PollSleeper, type Sleeper, WordSleeper } from './sleep.js';
import { SocketBridge } from './socket-bridge.js';

/** How long connections are given to end in order when the stack stops. */
const GRACE_US = 1_000_000;
/** Between two looks at the clock. */
const CHAINS_AT_ONCE = 256;

export class StackThread {
  /** LinkFeature bits in force. */
  readonly features: number;
  readonly mtu: number;
  private readonly config: StackConfig;
  private readonly port: MessagePort;
  private readonly ledger: Ledger;
  private readonly stack: Stack;
  private readonly services: Services;
  private readonly sockets: SocketBridge;
  private readonly loop: StackLoop;
  private readonly link: Link;
  private readonly tap: TapLink | null = null;
  private readonly peer: EmbeddedPeer | null = null;
  private readonly pcap: PcapFile | null = null;
  private readonly siblings: Siblings | null;
  /** Monotonic, integer µs, the same in all threads of the host. */
  private readonly clock: () => number;

  /** @throws SystemError, TypeError, or what node:fs throws for the pcap file; what was opened is closed */
  constructor(data: ThreadData) {
    const config = data.config;
    this.config = config;
    this.port = data.port;
    this.clock = stackClock(data.originMs);
    this.siblings = data.siblings && siblingsOf(data.siblings);
    const queue = data.siblings?.index ?? 0;
    const nowUs = this.clock();
    const { wallOffsetUs } = data;
    const random = new SeededRandom(config.seed ? config.seed + queue : randomBytes(4).readUInt32LE());
    const ours = config.addresses.map(parsePrefix);
    this.ledger = new Ledger(data.ledger, nowUs, wallOffsetUs);
    const own = () => (config.seed ? Uint8Array.from({ length: 16 }, () => random.u32() & 255) : randomBytes(16));
    const secret = data.siblings?.secret ?? own();
    const ipv6 = ours.some((a) => a.address.family === 6);
    this.stack = new Stack({
      ledger: this.ledger,
      ipv6,
      random,
      secret,
      sysctl: new SysctlTable(data.sysctl),
      nowUs,
      wallOffsetUs,
      ...(config.mode === 'tap' ? { clock: this.clock } : {}),
      ...(this.siblings ? { siblings: this.siblings } : {}),
    });
    let link: Link;
    if (config.mode === 'tap') {
      this.tap = this.openTap(queue);
      link = this.tap;
    } else {
      const peer = { 4: config.gateway ?? '10.77.0.1', 6: config.gateway6 ?? 'fd77::1' } as const;
      const ends = ours.map((a) => ({ peer: `${peer[a.address.family]}/${a.prefix}`, ours: a.address }));
      this.peer = new EmbeddedPeer({ seed: random.u32(), offloads: config.offloads, ends, nowUs });
      link = this.peer.link;
    }
    try {
      this.pcap = config.pcap ? new PcapFile(queue === 0 ? config.pcap : `${config.pcap}.${queue}`) : null;
      if (this.pcap) link = new PcapLink(link, this.pcap.sink, wallOffsetUs);
      const { mac, addresses, gateway, gateway6 } = config;
      const coalesce = config.coalesce === true && config.mode === 'tap';
      const device = this.stack.addDevice(link, { mac, addresses: [...addresses], gateway, gateway6, coalesce });
      if (!config.offloads && !coalesce) device.gsoMaxSize = 0;
    } catch (e) {
      link.close();
      throw e;
    }
    this.link = link;
    this.features = link.features;
    this.mtu = link.mtu;
    this.services = new Services(this.stack, {
      wallClock: () => new Date(),
      only: config.services,
      families: ipv6 ? [4, 6] : [4],
    });
    const conflicts = new ConflictLog((m) => this.say(m));
    this.stack.onConflict = (c, refused) => conflicts.tell(c, refused);
    this.peer?.addClient(this.stack, nowUs);
    this.sockets = new SocketBridge(this.stack, data.doorbells, (r) => this.port.postMessage(r));
    this.loop = this.makeLoop(data);
  }

  /** Runs until the host asks for the end. @throws when the TAP goes away, and for what is a defect of ours */
  run(): void {
    while (this.loop.stopAsked === 0) {
      if (!this.loop.turn()) this.loop.sleep();
      if (this.tap && this.tap.broken !== 0) throw new Error(`${this.tap.name} went away: the interface was deleted`);
    }
    if (this.loop.stopAsked === Stop.orderly) this.finish();
  }

  /** Closes link and files. A TAP that is not persistent vanishes with this. */
  close(): void {
    this.link.close();
    this.pcap?.close();
  }

  /**
   * Ends connections as TCP ends them: everybody sends its FIN behind what it has still to send, and who has not heard the other side's
   * after a while resets. A million of them are too many to part from in order: whoever is left when the time is over hears nothing.
   */
  private finish(): void {
    this.peer?.stop();
    this.services.close();
    this.sockets.close();
    const until = this.clock() + GRACE_US;
    this.tell((c) => c.shutdownWrite(), until);
    const { counts } = this.stack.tcpLayer.table;
    const mayGoOn = () => this.clock() < until && this.loop.stopAsked !== Stop.now;
    while (counts[FlowKind.connection]! > 0 && mayGoOn()) if (!this.loop.turn()) this.loop.sleep(until);
    if (this.siblings) {
      // the others' frames may still come here
      this.siblings.finish();
      while (!this.siblings.allFinished && mayGoOn()) if (!this.loop.turn()) this.loop.sleep(until);
    }
    this.tell((c) => c.abort(Errno.ECONNABORTED), this.clock() + GRACE_US);
    this.loop.turn();
  }

  /** Goes through the connections until the time is over. */
  private tell(what: (c: Connection) => void, untilUs: number): void {
    const { table } = this.stack.tcpLayer;
    for (let at = 0; at >= 0 && this.clock() < untilUs; ) {
      at = table.visitChains(at, CHAINS_AT_ONCE, (f) => {
        if (f.flowKind === FlowKind.connection) what(f as Connection);
      });
    }
  }

  private openTap(queue: number): TapLink {
    const t = this.config.tap;
    if (!t) throw new TypeError('mode tap needs the name of a TAP');
    const { offloads } = this.config;
    if (this.siblings) return openTap({ name: t.name, attach: t.attach, offloads, queue: queue === 0 ? 'first' : 'further' });
    const link = openTap({ name: t.name, attach: t.attach, offloads });
    try {
      this.setUpKernelSide();
      return link;
    } catch (e) {
      link.close();
      throw e;
    }
  }

  /** With several queues: once all are open, so that the kernel spreads flows over all of them from the first on. */
  private setUpKernelSide(): void {
    const t = this.config.tap!;
    if (t.hostAddress !== null) {
      const why = setUpHostSide(t.name, { address: t.hostAddress, address6: t.hostAddress6 });
      if (why !== '') this.say({ op: 'log', level: 'info', text: `the kernel's side of ${t.name} is without IPv6: ${why}` });
    } else if (!t.attach && !interfaceIsUp(t.name)) bringInterfaceUp(t.name);
  }
  private answerSetUp(): void {
    try {
      this.setUpKernelSide();
      this.say({ op: 'setUp', failed: null });
    } catch (e) {
      const error = e as NodeJS.ErrnoException;
      this.say({ op: 'setUp', failed: { message: error.message, code: error.code ?? 'ERR_STACK' } });
    }
  }

  private makeLoop(data: ThreadData): StackLoop {
    const sleeper: Sleeper = this.tap ? new PollSleeper(data.control, this.tap.fd, data.eventfd) : new WordSleeper(data.control);
    const stacks: Pollable[] = this.peer ? [this.peer, this.stack] : [this.stack];
    return new StackLoop({
      clock: () => this.clock(),
      control: data.control,
      ledger: this.ledger,
      stacks,
      sockets: this.sockets,
      sleeper,
      messages: () => this.messages(),
      rows: new RowRefresh(this.stack),
    });
  }

  private messages(): void {
    for (let m = receiveMessageOnPort(this.port); m; m = receiveMessageOnPort(this.port)) {
      const message = m.message as HostMessage;
      if (message.op === 'setUp') this.answerSetUp();
      else if (message.op === 'table') this.say({ op: 'table', id: message.id, rows: tableOf(this.stack, message.table) });
      else this.sockets.request(message);
    }
  }

  private say(m: ThreadMessage): void {
    this.port.postMessage(m);
  }
}

function siblingsOf(s: ThreadSiblings): Siblings {
  const wakers = s.controls.map((control, i) => new Waker(control, s.eventfds[i]!));
  return new Siblings(s.memory, s.index, (i) => wakers[i]!.wake());
}
