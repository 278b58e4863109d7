/**
 * The kernel's side of a TAP, by the classic interface ioctls (netdevice(7)), so that no iproute2 is needed: address and netmask, MTU, up.
 * The address vanishes with the interface, and a TAP that is not persistent vanishes with its descriptor: nothing is left to undo.
 */
import { writeFileSync } from 'node:fs';
import { IpAddress } from '../core/address.js';
import { errnoName } from '../core/errno.js';
import { type Libc, libc, SystemError } from './tap-libc.js';

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const SIOCGIFADDR = 0x8915;
const SIOCSIFADDR = 0x8916;
const SIOCSIFNETMASK = 0x891c;
const SIOCGIFMTU = 0x8921;
const SIOCSIFMTU = 0x8922;
const SIOCGIFINDEX = 0x8933;
const IFF_UP = 1;
const IFF_RUNNING = 0x40;
/** struct ifreq: 16 bytes of name, then a union of 24. */
const IFREQ_SIZE = 40;
/** struct in6_ifreq: 16 bytes of address, prefix length, interface index. */
const IN6_IFREQ_SIZE = 24;
const IFNAMSIZ = 16;

/** struct ifreq with the name filled in. */
export function interfaceRequest(name: string): DataView {
  const b = new DataView(new ArrayBuffer(IFREQ_SIZE));
  for (let i = 0; i < name.length; i++) b.setUint8(i, name.charCodeAt(i));
  return b;
}

/** @throws TypeError for a name that the kernel would not take */
export function checkInterfaceName(name: string): void {
  if (
    name.length === 0 ||
    name.length >= IFNAMSIZ ||
    !/^[!-.0-~]+$/.test(name) ||
    name === '.' ||
    name === '..' ||
    name.includes(':')
  ) {
    throw new TypeError(
      `"${name}" cannot be the name of an interface: 1 to ${IFNAMSIZ - 1} visible ASCII characters without / and :`,
    );
  }
}

/** Calls on one interface through a socket that lives as long as the work on it. */
class Interface {
  private readonly c: Libc;
  private readonly fd: number;
  private readonly name: string;
  constructor(name: string, family = AF_INET) {
    checkInterfaceName(name);
    this.c = libc();
    this.name = name;
    this.fd = this.c.socket(family, SOCK_DGRAM_CLOEXEC, 0);
    if (this.fd < 0) throw new SystemError(`no socket to set up ${name} with: ${errnoName(this.c.errno())}`, this.c.errno());
  }
  /** 0 or -errno. */
  try(request: number, ifr: DataView): number {
    return this.c.ioctl(this.fd, request, this.c.address(ifr)) < 0 ? -this.c.errno() : 0;
  }
  do(request: number, ifr: DataView, what: string): void {
    const error = this.try(request, ifr);
    if (error < 0) throw new SystemError(`${what} of ${this.name}: ${errnoName(error)}`, -error);
  }
  request(): DataView {
    return interfaceRequest(this.name);
  }
  close(): void {
    this.c.close(this.fd);
  }
}

function withInterface<T>(name: string, work: (i: Interface) => T, family = AF_INET): T {
  const i = new Interface(name, family);
  try {
    return work(i);
  } finally {
    i.close();
  }
}

export function interfaceExists(name: string): boolean {
  return withInterface(name, (i) => i.try(SIOCGIFINDEX, i.request()) === 0);
}

/** @throws SystemError ENODEV when there is no such interface */
export function interfaceMtu(name: string): number {
  return withInterface(name, (i) => {
    const ifr = i.request();
    i.do(SIOCGIFMTU, ifr, 'reading the MTU');
    return ifr.getInt32(16, true);
  });
}

export function interfaceIsUp(name: string): boolean {
  return withInterface(name, (i) => {
    const ifr = i.request();
    i.do(SIOCGIFFLAGS, ifr, 'reading the flags');
    return (ifr.getUint16(16, true) & IFF_UP) !== 0;
  });
}

/** Is it up, and has somebody the other end of it (a TAP has its carrier from whoever holds a queue)? */
export function interfaceInUse(name: string): boolean {
  return withInterface(name, (i) => {
    const ifr = i.request();
    i.do(SIOCGIFFLAGS, ifr, 'reading the flags');
    return (ifr.getUint16(16, true) & (IFF_UP | IFF_RUNNING)) === (IFF_UP | IFF_RUNNING);
  });
}

/** The interface's first IPv4 address in text, or undefined. */
export function interfaceAddress(name: string): string | undefined {
  return withInterface(name, (i) => {
    const ifr = i.request();
    return i.try(SIOCGIFADDR, ifr) === 0 ? IpAddress.v4(ifr.getUint32(20)).toString() : undefined;
  });
}

export interface HostSetup {
  /** The kernel's own address with its prefix length: `10.77.0.1/24`. */
  readonly address: string;
  /** The same for IPv6, which that side does not speak without: `fd77::1/64`. */
  readonly address6?: string;
  /** Largest IP packet; left as it is when absent. */
  readonly mtu?: number;
}

/** The parts of `10.77.0.1/24`; @throws TypeError */
export function parsePrefix(text: string): { readonly address: IpAddress; readonly prefix: number } {
  const slash = text.lastIndexOf('/');
  const address = IpAddress.parse(slash < 0 ? text : text.slice(0, slash));
  const most = address?.family === 6 ? 128 : 32;
  const digits = slash < 0 ? String(most) : text.slice(slash + 1);
  const prefix = Number(digits);
  if (!address || !/^\d{1,3}$/.test(digits) || prefix > most) throw new TypeError(`not an address with a prefix length: ${text}`);
  return { address, prefix };
}

/**
 * Gives the kernel's side of a TAP its addresses and brings it up. A kernel without IPv6 is no failure.
 * @returns why that side has no IPv6 although it was asked for, one line; '' when it has
 * @throws SystemError EPERM without CAP_NET_ADMIN, ENODEV when the interface is not there; TypeError for a bad address
 */
export function setUpHostSide(name: string, setup: HostSetup): string {
  const { address, prefix } = parsePrefix(setup.address);
  if (address.family !== 4) throw new TypeError(`the kernel's side takes an IPv4 address, not ${setup.address}`);
  if (setup.address6 === undefined) silenceIpv6(name);
  else skipDuplicateDetection(name);
  withInterface(name, (i) => {
    if (setup.mtu !== undefined) {
      const mtu = i.request();
      mtu.setInt32(16, setup.mtu, true);
      i.do(SIOCSIFMTU, mtu, 'setting the MTU');
    }
    i.do(SIOCSIFADDR, internetAddress(i.request(), address.w3), 'setting the address');
    const mask = prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0;
    i.do(SIOCSIFNETMASK, internetAddress(i.request(), mask), 'setting the netmask');
    bringUp(i);
  });
  return setup.address6 === undefined ? '' : addAddress6(name, setup.address6);
}

/** What a kernel answers that does not speak IPv6 on an interface, and why it does not. */
const NO_IPV6: Readonly<Record<string, string>> = {
  EAFNOSUPPORT: 'this kernel speaks none (ipv6.disable=1?)',
  EACCES: 'net.ipv6.conf.NAME.disable_ipv6 is set',
  EINVAL: 'its MTU is below the 1280 octets that IPv6 needs',
};

/** Gives an interface an IPv6 address, unless it has that already. @returns why it cannot have one, or '' */
function addAddress6(name: string, text: string): string {
  try {
    setAddress6(name, text);
    return '';
  } catch (e) {
    const { code } = e as SystemError;
    if (code === 'EEXIST') return '';
    const why = NO_IPV6[code];
    if (why === undefined) throw e;
    return why.replace('NAME', name);
  }
}

function setAddress6(name: string, text: string): void {
  const { address, prefix } = parsePrefix(text);
  if (address.family !== 6) throw new TypeError(`not an IPv6 address: ${text}`);
  const index = withInterface(name, (i) => {
    const ifr = i.request();
    i.do(SIOCGIFINDEX, ifr, 'reading the index');
    return ifr.getInt32(16, true);
  });
  const request = new DataView(new ArrayBuffer(IN6_IFREQ_SIZE));
  for (const [n, word] of [address.w0, address.w1, address.w2, address.w3].entries()) request.setUint32(n * 4, word);
  request.setUint32(16, prefix, true);
  request.setInt32(20, index, true);
  withInterface(name, (i) => i.do(SIOCSIFADDR, request, 'setting the IPv6 address'), AF_INET6);
}

/** Brings an interface up that is down; its addresses are somebody else's business. */
export function bringInterfaceUp(name: string): void {
  withInterface(name, bringUp);
}

function bringUp(i: Interface): void {
  const flags = i.request();
  i.do(SIOCGIFFLAGS, flags, 'reading the flags');
  const now = flags.getUint16(16, true);
  if ((now & IFF_UP) !== 0) return;
  flags.setUint16(16, now | IFF_UP, true);
  i.do(SIOCSIFFLAGS, flags, 'bringing up');
}

/** struct sockaddr_in in the union of an ifreq. */
function internetAddress(ifr: DataView, word: number): DataView {
  ifr.setUint16(16, AF_INET, true);
  ifr.setUint32(20, word);
  return ifr;
}

/**
 * A kernel that speaks IPv6 on the TAP sends router solicitations and multicast reports that nobody answers: noise in the counters.
 */
function silenceIpv6(name: string): void {
  setIpv6(name, 'disable_ipv6', 1);
}

/**
 * While the kernel looks whether its address is free (RFC 4862 5.4, a second or two), connect() does not fail: it takes another interface's
 * address, ::1 if need be, and keeps it through every SYN. Nobody but the stack is on this wire, and the stack looks for itself.
 */
function skipDuplicateDetection(name: string): void {
  setIpv6(name, 'accept_dad', 0);
}

/** Best effort, since a container may have /proc/sys read-only. */
function setIpv6(name: string, variable: string, value: number): void {
  try {
    writeFileSync(`/proc/sys/net/ipv6/conf/${name}/${variable}`, String(value));
  } catch {
    // the frames are harmless, and detection is soon over
  }
}
