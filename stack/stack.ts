/**
 * A host: the layers put together, its devices, and the loop that runs them to completion. `poll(nowUs)` is the only entrance for time;
 * nothing happens between two polls but the socket calls of whoever owns the stack. A second network layer (IPv6) joins where IPv4 does:
 * a `FrameHandler` for its EtherType, a `NetworkLayer` for the transports.
 */
import { Ip } from '../mib/catalogue/index.js';
import type { DeviceIdentity, GroupDto, NeighbourDto, RouteDto } from '../mib/dto.js';
import type { Ledger } from '../mib/ledger/ledger.js';
import { Ctl, Pub } from '../mib/ledger/memory.js';
import { type AddressConflict, ArpLayer } from './arp/arp.js';
import { IpAddress } from './core/address.js';
import { SocketCookies } from './core/cookies.js';
import type { Env } from './core/env.js';
import { HostLimits } from './core/host-limits.js';
import { HEADROOM, type Packet } from './core/packet.js';
import { PacketPool } from './core/packet-pool.js';
import type { Random } from './core/random.js';
import type { Siblings } from './core/siblings.js';
import { Sysctl, SysctlTable } from './core/sysctl.js';
import { TimerQueue } from './core/timer.js';
import { EthernetInput } from './ethernet.js';
import { IcmpLayer } from './icmp/icmp.js';
import { IgmpLayer, SilentProtocol } from './icmp/igmp.js';
import { Ipv6Host } from './icmp6/ipv6-host.js';
import {
  describeDevice,
  describeGroups,
  describeGroups6,
  describeNeighbours,
  describeRoutes,
  describeRoutes6,
} from './introspection.js';
import { Coalescer } from './ip/coalescer.js';
import { Departures } from './ip/departures.js';
import { NetDevice } from './ip/device.js';
import { NO_METRICS, networkOf, RouteType } from './ip/fib.js';
import { Ipv4Layer } from './ip/ipv4.js';
import { forgetPacket } from './ip/probe-view.js';
import type { GroupReporter } from './ip/protocol.js';
import { routeCommand } from './ip/route-command.js';
import { PassKind } from './ip/sharing.js';
import type { Link } from './link/link.js';
import { Loopback } from './link/loopback.js';
import type { DatagramSocket, SocketFactory, StreamSocket } from './socket/socket.js';
import { TcpSocket } from './tcp/socket.js';
import { TcpLayer } from './tcp/tcp.js';
import { UDP, UDPLITE } from './udp/cells.js';
import { PingLayer } from './udp/ping.js';
import { RawIcmp6Layer } from './udp/raw-icmp6.js';
import { UdpLayer } from './udp/udp.js';
import { Protocol } from './wire/ipv4.js';
import { isLinkLocal } from './wire/scope6.js';

/** Frames, and octets of frames, taken from a device before the others and the sockets' users have their turn. */
const BATCH = 64;
const BATCH_OCTETS = 256 << 10;
const LOOPBACK_MAC = '00:00:00:00:00:00';

export interface StackOptions {
  readonly ledger: Ledger;
  readonly random: Random;
  /** 16 bytes that nobody can guess: ISNs, cookies, ports. */
  readonly secret: Uint8Array;
  readonly sysctl?: SysctlTable;
  readonly nowUs?: number;
  /**
   * Monotonic, integer µs, the one that `poll` is given. Asked within a batch, before a frame that may answer one that left in the same
   * batch: with the batch's own time it would have come back in no time. Without it a batch has one time (virtual time, where nothing can).
   */
  readonly clock?: () => number;
  readonly hostname?: string;
  /** µs between the stack's clock and Unix time (ICMP and IP timestamps); the ledger's without. */
  readonly wallOffsetUs?: number;
  /** The other stacks of the host that this one is a part of: same addresses, same MAC, same secret, another queue of the link. */
  readonly siblings?: Siblings;
  /** Speaks IPv6 on every device. Off, its frames are of a protocol nobody handles, as in a kernel without it. */
  readonly ipv6?: boolean;
}

export interface DeviceOptions {
  readonly mac: string;
  /** With prefix length: `10.77.0.2/24`. */
  readonly addresses: readonly string[];
  readonly gateway?: string;
  /** The same for IPv6. */
  readonly gateway6?: string;
  /** Join received TCP segments (GRO). Off, every frame is counted by itself. */
  readonly coalesce?: boolean;
}

class StackEnv implements Env {
  nowUs: number;
  readonly timers = new TimerQueue();
  readonly random: Random;
  readonly sysctl: SysctlTable;
  readonly ledger: Ledger;
  readonly secret: Uint8Array;
  readonly siblings: Siblings | null;
  readonly limits: HostLimits;
  readonly cookies = new SocketCookies();
  constructor(o: StackOptions) {
    this.nowUs = o.nowUs ?? 0;
    this.random = o.random;
    this.sysctl = o.sysctl ?? new SysctlTable();
    this.ledger = o.ledger;
    this.secret = o.secret;
    this.siblings = o.siblings ?? null;
    this.limits = o.siblings?.limits ?? HostLimits.alone();
  }
}

export class Stack implements SocketFactory {
  readonly env: Env;
  readonly ledger: Ledger;
  readonly hostname: string;
  readonly ip4: Ipv4Layer;
  readonly arp: ArpLayer;
  readonly icmp: IcmpLayer;
  readonly igmp: IgmpLayer;
  readonly tcpLayer: TcpLayer;
  readonly udpLayer: UdpLayer;
  readonly udpLiteLayer: UdpLayer;
  readonly pingLayer: PingLayer;
  private readonly pingLayer6: PingLayer | null = null;
  private readonly rawLayer6: RawIcmp6Layer | null = null;
  /** Null where the stack does not speak IPv6. */
  readonly ip6: Ipv6Host | null;
  /** In the order of their index; the first is `lo`, index 1. */
  readonly devices: NetDevice[] = [];
  private readonly ethernet: EthernetInput;
  /** What frames are received into. */
  readonly packets: PacketPool = new PacketPool();
  private rx: Packet = this.packets.take();
  private readonly siblings: Siblings | null;
  private readonly clock: (() => number) | null;
  private closed = false;

  constructor(options: StackOptions) {
    const env = new StackEnv(options);
    this.env = env;
    this.ledger = options.ledger;
    this.siblings = env.siblings;
    this.clock = options.clock ?? null;
    this.hostname = options.hostname ?? 'tsnetstat';
    const wallOffsetUs = options.wallOffsetUs ?? new Float64Array(options.ledger.memory.published)[Pub.wallOffsetUs]!;
    this.ip4 = new Ipv4Layer(env, wallOffsetUs);
    this.arp = new ArpLayer(env, this.ip4);
    this.ip4.hops = this.arp.table;
    this.icmp = new IcmpLayer(env, this.ip4);
    this.igmp = new IgmpLayer(env, this.ip4);
    this.ip4.register(new SilentProtocol(Protocol.pim, options.ledger.unattributed));
    this.tcpLayer = new TcpLayer(env);
    this.tcpLayer.attach(this.ip4);
    this.ip6 = options.ipv6 ? new Ipv6Host(env, this.icmp.limit) : null;
    const layer6 = this.ip6 ? this.ip6.layer : null;
    if (layer6) this.tcpLayer.attach(layer6);
    this.udpLayer = new UdpLayer(env, UDP, this.ip4, layer6);
    this.udpLiteLayer = new UdpLayer(env, UDPLITE, this.ip4, layer6);
    this.pingLayer = new PingLayer(env, this.ip4);
    this.icmp.ping = this.pingLayer;
    this.ethernet = new EthernetInput(options.ledger.unattributed, env.siblings);
    this.ethernet.arp = this.arp;
    this.ethernet.ipv4 = this.ip4;
    this.ethernet.ipv6 = layer6;
    if (this.ip6) {
      this.pingLayer6 = new PingLayer(env, this.ip6.layer);
      this.ip6.icmp.ping = this.pingLayer6;
      this.rawLayer6 = new RawIcmp6Layer(env, this.ip6.layer);
      this.ip6.icmp.raw = this.rawLayer6;
    }
    this.attach(new Loopback(), LOOPBACK_MAC, [parseCidr('127.0.0.1/8')], true);
  }

  // --- devices

  /**
   * @throws TypeError for a bad MAC or IP address and a gateway that is not on the device's network, RangeError when the ledger has no
   * room for one more interface. Nothing has changed then.
   */
  addDevice(link: Link, options: DeviceOptions): NetDevice {
    const addresses = options.addresses.map(parseCidr);
    const gateways = [options.gateway, options.gateway6].filter((g) => g !== undefined).map((g) => IpAddress.from(g));
    for (const gateway of gateways) {
      const onLink = (a: Cidr) => networkOf(a.address, a.prefix).equals(networkOf(gateway, a.prefix));
      if (!isLinkLocal(gateway.w0) && !addresses.some((a) => a.address.family === gateway.family && onLink(a)))
        throw new TypeError(`the gateway ${gateway} is not on the network of ${options.addresses.join(', ')}`);
    }
    const device = this.attach(link, options.mac, addresses, false);
    for (const gateway of gateways) {
      if (gateway.family === 4) this.addDefaultRoute(device, gateway);
      else this.ip6?.addDefaultRoute(device, gateway);
    }
    if (options.coalesce) device.coalescer = new Coalescer(this.ethernet, this.packets);
    return device;
  }

  private addDefaultRoute(device: NetDevice, gateway: IpAddress): void {
    const destination = IpAddress.v4(0);
    this.ip4.table.add({
      type: RouteType.unicast,
      destination,
      prefix: 0,
      gateway,
      device,
      source: null,
      metric: 0,
      protocol: 'static',
      metrics: NO_METRICS,
    });
  }

  private attach(link: Link, mac: string, addresses: readonly Cidr[], loopback: boolean): NetDevice {
    const device = new NetDevice(this.devices.length + 1, link, mac, this.ledger.addDevice(), loopback);
    device.departures = new Departures(this.env, device);
    this.devices.push(device);
    this.ip4.addDevice(device);
    for (const a of addresses) if (a.address.family === 4) this.ip4.addAddress(device, a.address, a.prefix);
    this.ip6?.addDevice(
      device,
      addresses.filter((a) => a.address.family === 6),
    );
    return device;
  }

  // --- the loop

  /** Runs everything that is due at `nowUs` (integer µs, never going back). True: more is waiting, call again at once. */
  poll(nowUs: number): boolean {
    const env = this.env;
    this.advance(nowUs);
    this.ip4.armed = Atomics.load(this.ledger.control, Ctl.armed) !== 0;
    this.ledger.ring.armed = this.ip4.armed;
    if (this.ip6) {
      this.ip6.layer.armed = this.ip4.armed;
      this.ip6.follow();
    }
    this.showSettings();
    let more = false;
    this.tcpLayer.beforeDrain();
    for (let i = 0; i < this.devices.length; i++) {
      const d = this.devices[i]!;
      d.link.advance(env.nowUs);
      if (this.drain(d)) more = true;
    }
    if (this.siblings !== null) {
      this.follow(this.siblings);
      if (this.takePassed(this.siblings)) more = true;
    }
    if (this.ip4.drainLooped()) more = true;
    if (this.ip6) {
      if (this.ip6.layer.drainLooped()) more = true;
      this.ip6.layer.current = null;
    }
    this.ip4.current = null;
    if (this.ip4.armed) forgetPacket(this.ledger.ring.context);
    this.tcpLayer.afterDrain();
    env.timers.run(env.nowUs);
    this.ledger.batchBorder(env.nowUs);
    if (this.siblings !== null) this.endBatch(this.siblings);
    return more || this.nextDeadlineUs() <= env.nowUs;
  }

  /** The others may go on with what they were given, and see what this stack holds of what is limited for the host. */
  private endBatch(siblings: Siblings): void {
    this.tcpLayer.showParts();
    siblings.limits.showOctets();
    siblings.flush();
  }

  private advance(nowUs: number): void {
    const env = this.env;
    if (nowUs > env.nowUs) env.nowUs = nowUs;
    this.ledger.ring.context.timeUs = env.nowUs;
  }

  /** Settings that the kernel prints among its counters follow their sysctls. */
  private showSettings(): void {
    const v = this.env.sysctl.values;
    this.ledger.setConstant(Ip.Forwarding, v[Sysctl.ip_forward] !== 0 ? 1 : 2);
    this.ledger.setConstant(Ip.DefaultTTL, v[Sysctl.ip_default_ttl]!);
  }

  /** Takes at most a batch of frames. True: there may be more. */
  private drain(device: NetDevice): boolean {
    const more = this.takeBatch(device, device.coalescer);
    device.coalescer?.flush(device);
    return more;
  }

  private takeBatch(device: NetDevice, coalescer: Coalescer | null): boolean {
    let octets = 0;
    for (let n = 0; n < BATCH && octets < BATCH_OCTETS; n++) {
      const p = coalescer !== null ? coalescer.slot : this.rx;
      p.reset(HEADROOM);
      if (!device.link.receive(p)) return false;
      octets += p.tail - p.data;
      if (device.sent && this.clock !== null) {
        device.sent = false;
        this.advance(this.clock());
      }
      p.device = device;
      p.timeUs = this.env.nowUs;
      this.ethernet.receive(p, device);
      if (!p.kept) continue;
      if (coalescer !== null) coalescer.replaceSlot();
      else this.rx = this.packets.take();
    }
    return true;
  }

  /** The speaker tells routers of groups that any stack has joined or left; the others take over the addresses that it has found good. */
  private follow(siblings: Siblings): void {
    if (!siblings.speaks) {
      if (siblings.addresses.moved) this.ip6?.setup.follow(siblings.addresses);
    } else if (siblings.groups.moved)
      siblings.groups.changes(({ device, group }, joined) => {
        const reporter: GroupReporter | null = group.family === 4 ? this.igmp : (this.ip6?.listeners ?? null);
        if (joined) reporter?.joined(this.devices[device - 1]!, group);
        else reporter?.left(this.devices[device - 1]!, group);
      });
  }

  /** Takes at most a batch of what other stacks of this host have passed on. True: there may be more. */
  private takePassed(siblings: Siblings): boolean {
    const passed = siblings.passed;
    for (let n = 0; n < BATCH; n++) {
      const p = this.rx;
      if (!siblings.take(p)) return false;
      const device = this.devices[passed.device - 1]!;
      p.device = device;
      p.timeUs = this.env.nowUs;
      if (passed.kind === PassKind.arp) this.arp.overhear(p, device);
      else if (p.bytes[p.data]! >> 4 === 6) this.ip6?.layer.inputPassed(p, device, passed);
      else this.ip4.inputPassed(p, device, passed);
      if (p.kept) this.rx = this.packets.take();
    }
    return true;
  }

  /** When `poll` has something to do; Infinity when only the outside world knows. */
  nextDeadlineUs(): number {
    if (this.siblings?.waiting()) return this.env.nowUs;
    const loops = this.ip4.loopWaits() || this.ip6?.layer.loopWaits() === true;
    let next = loops ? this.env.nowUs : this.env.timers.nextUs();
    for (let i = 0; i < this.devices.length; i++) {
      const t = this.devices[i]!.link.nextDeadlineUs();
      if (t < next) next = t;
    }
    return next;
  }

  // --- sockets

  tcp(family: 4 | 6): StreamSocket {
    return new TcpSocket(this.tcpLayer, family);
  }
  udp(family: 4 | 6): DatagramSocket {
    return this.udpLayer.socket(family);
  }
  udpLite(family: 4 | 6): DatagramSocket {
    return this.udpLiteLayer.socket(family);
  }
  ping(family: 4 | 6): DatagramSocket {
    return (family === 6 && this.pingLayer6 ? this.pingLayer6 : this.pingLayer).socket();
  }
  /** A raw ICMPv6 socket. @throws Error where the stack does not speak IPv6 */
  rawIcmp6(): DatagramSocket {
    if (!this.rawLayer6) throw new Error('this stack does not speak IPv6');
    return this.rawLayer6.socket();
  }

  /** Hears of every claim to an address of ours by somebody else; `refused`: it was not in use yet, and will not be. */
  set onConflict(hear: (c: AddressConflict, refused: boolean) => void) {
    this.arp.onConflict = (c) => hear(c, false);
    if (this.ip6) this.ip6.discovery.onConflict = (c) => hear(c, c.refused);
  }

  // --- what can be asked

  neighbours(): NeighbourDto[] {
    const four = describeNeighbours(this.arp.table);
    return this.ip6 ? [...four, ...describeNeighbours(this.ip6.discovery.table)] : four;
  }
  routes(): RouteDto[] {
    return [...describeRoutes(this.ip4.table.entries), ...describeRoutes6(this.ip6?.layer.table.entries ?? [])];
  }
  groups(): GroupDto[] {
    const layer6 = this.ip6?.layer;
    const six = layer6 ? this.devices.flatMap((d) => describeGroups6(d, layer6)) : [];
    return [...this.devices.flatMap(describeGroups), ...six];
  }
  interfaces(): DeviceIdentity[] {
    return this.devices.map(describeDevice);
  }
  /** `ip route add|replace|change|del …`, as text or words. False when it could not be done. */
  routeCommand(command: string | readonly string[]): boolean {
    const words = typeof command === 'string' ? command.trim().split(/\s+/) : [...command];
    const six = words.includes('-6') || (!words.includes('-4') && words.some((w) => w.includes(':')));
    if (six) return this.ip6 !== null && routeCommand(this.ip6.layer, words, 6) === 0;
    return routeCommand(this.ip4, words) === 0;
  }

  /** Resets connections, ends links and timers; the ledger stays readable. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.tcpLayer.close();
    this.arp.table.close();
    this.igmp.close();
    this.ip4.close();
    this.ip6?.close();
    for (const d of this.devices) d.link.close();
  }
}

interface Cidr {
  readonly address: IpAddress;
  readonly prefix: number;
}

function parseCidr(text: string): Cidr {
  const m = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const address = m ? IpAddress.parse(m[1]!) : undefined;
  const prefix = m ? Number(m[2]) : -1;
  if (!address || prefix > (address.family === 4 ? 32 : 128)) throw new TypeError(`not an address with prefix length: ${text}`);
  return { address, prefix };
}
