/**
 * A TAP as a link (Linux, Documentation/networking/tuntap.rst): one read(2) is one frame from the kernel, one write(2) one frame to it.
 *
 * With IFF_VNET_HDR and TUNSETOFFLOAD a frame may be a super-frame of 64 KiB with an unfinished checksum, described by the header in
 * virtio-header.ts; that is worth a factor of ten and more in throughput. Where the kernel does not grant it, frames are plain.
 *
 * The descriptor is non-blocking, and reads go straight into the packet's store: the virtio header into the headroom before the frame, so
 * that the frame starts at HEADROOM, 2 mod 4, with and without it. Sleeping is not the link's business: the worker polls `fd`.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { Errno, errnoName } from '../core/errno.js';
import { HEADROOM, type Packet } from '../core/packet.js';
import { type Link, LinkFeature } from './link.js';
import { checkInterfaceName, interfaceExists, interfaceInUse, interfaceMtu, interfaceRequest } from './tap-host-setup.js';
import { type Libc, libc, SystemError } from './tap-libc.js';
import { emitVirtioHeader, parseVirtioHeader, VIRTIO_HEADER } from './virtio-header.js';

const TUN_DEVICE = '/dev/net/tun';
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const IFF_MULTI_QUEUE = 0x0100;
/** Make it, or fail. */
const IFF_TUN_EXCL = 0x8000;
const TUNGETFEATURES = 0x800454cf;
const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
const TunOffload = { csum: 1, tso4: 2, tso6: 4, uso4: 0x20, uso6: 0x40 } as const;
/** "File descriptor in bad state": the interface was deleted under us. */
const EBADFD = 77;

const CSUM_AND_TSO = TunOffload.csum | TunOffload.tso4 | TunOffload.tso6;
const CSUM_AND_TSO_FEATURES = LinkFeature.csum | LinkFeature.tso4 | LinkFeature.tso6;
/** What to ask the kernel for, best first, and what is in force when it agrees. UDP's segmentation came with Linux 6.2, both families at once. */
const OFFLOAD_STEPS: readonly { readonly ask: number; readonly features: number }[] = [
  {
    ask: CSUM_AND_TSO | TunOffload.uso4 | TunOffload.uso6,
    features: CSUM_AND_TSO_FEATURES | LinkFeature.uso4 | LinkFeature.uso6,
  },
  { ask: CSUM_AND_TSO, features: CSUM_AND_TSO_FEATURES },
  { ask: TunOffload.csum, features: LinkFeature.csum },
];

export interface TapOptions {
  readonly name: string;
  /** The interface must exist already (`--tap NAME`); otherwise it is made when it does not. */
  readonly attach: boolean;
  /** Ask for IFF_VNET_HDR and offloads. False: plain frames of wire size. */
  readonly offloads: boolean;
  /**
   * For a TAP of several queues, each opened by itself (IFF_MULTI_QUEUE): the first one makes the interface, or attaches to one that nobody
   * uses; the others join it. Absent: the TAP's only queue.
   */
  readonly queue?: 'first' | 'further';
}

/**
 * Opens a TAP.
 * @throws SystemError with one clear message: ENODEV (no such interface, or no tun driver), EBUSY (another process has it), EPERM (no
 * CAP_NET_ADMIN), EINVAL (an interface that is no TAP), ENOSYS (no Linux, no koffi); TypeError for an impossible name
 */
export function openTap(options: TapOptions): TapLink {
  const { name } = options;
  checkInterfaceName(name);
  const c = libc();
  if (options.attach && !interfaceExists(name)) {
    throw new SystemError(`there is no interface ${name} to attach to`, Errno.ENODEV);
  }
  const fd = openTunDevice(name);
  try {
    const flags = IFF_TAP | IFF_NO_PI | (options.queue === undefined ? 0 : queueFlags(c, fd, name, options.queue));
    const vnet = options.offloads && setInterface(c, fd, name, flags | IFF_VNET_HDR) === 0;
    if (!vnet) {
      const error = setInterface(c, fd, name, flags);
      if (error < 0) throw options.queue === undefined ? refused(name, -error) : queueRefused(name, -error);
    }
    return new TapLink(name, fd, interfaceMtu(name), vnet, vnet ? askOffloads(c, fd) : 0);
  } catch (e) {
    closeSync(fd);
    throw e;
  }
}

function openTunDevice(name: string): number {
  try {
    return openSync(TUN_DEVICE, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code;
    if (code === 'EACCES' || code === 'EPERM') throw new SystemError(`no leave to open ${TUN_DEVICE} for ${name}`, Errno.EPERM);
    throw new SystemError(`${TUN_DEVICE} cannot be opened (${code}): is the tun driver there?`, Errno.ENODEV);
  }
}

/** 0 or -errno. */
function setInterface(c: Libc, fd: number, name: string, flags: number): number {
  const ifr = interfaceRequest(name);
  ifr.setUint16(16, flags, true);
  return c.ioctl(fd, TUNSETIFF, c.address(ifr)) < 0 ? -c.errno() : 0;
}

function refused(name: string, errno: number): SystemError {
  if (errno === Errno.EBUSY) return new SystemError(`${name} is in use: another process holds this TAP`, errno);
  if (errno === Errno.EPERM) return new SystemError(`no leave to use ${name} as a TAP: it takes root or CAP_NET_ADMIN`, errno);
  if (errno === Errno.EINVAL) return new SystemError(`${name} is an interface, but no TAP that one process can attach to`, errno);
  return new SystemError(`${name} cannot be used as a TAP: ${errnoName(errno)}`, errno);
}

/**
 * Flags of a queue. The kernel lets anybody with leave join a TAP of several queues: that the first of ours is alone is for us to see. An
 * interface that is down cannot be seen to be in use.
 */
function queueFlags(c: Libc, fd: number, name: string, queue: 'first' | 'further'): number {
  const known = new DataView(new ArrayBuffer(4));
  if (c.ioctl(fd, TUNGETFEATURES, c.address(known)) < 0 || (known.getUint32(0, true) & IFF_MULTI_QUEUE) === 0) {
    throw new SystemError(`this kernel's TAPs have one queue each: ${name} cannot have several`, Errno.EOPNOTSUPP);
  }
  if (queue === 'further') return IFF_MULTI_QUEUE;
  if (!interfaceExists(name)) return IFF_MULTI_QUEUE | IFF_TUN_EXCL;
  if (interfaceInUse(name)) throw refused(name, Errno.EBUSY);
  return IFF_MULTI_QUEUE;
}

function queueRefused(name: string, errno: number): SystemError {
  if (errno === Errno.EINVAL) return new SystemError(`${name} exists and is no TAP of several queues (multi_queue)`, errno);
  if (errno === Errno.E2BIG) return new SystemError(`${name} has as many queues as the kernel allows`, errno);
  return refused(name, errno);
}

/** LinkFeature bits that the kernel grants. */
function askOffloads(c: Libc, fd: number): number {
  for (const step of OFFLOAD_STEPS) if (c.ioctlValue(fd, TUNSETOFFLOAD, step.ask) === 0) return step.features;
  return 0;
}

export class TapLink implements Link {
  readonly name: string;
  readonly fd: number;
  readonly mtu: number;
  readonly features: number;
  /** errno when the interface went away (deleted, or detached from us): no frame will ever come again. 0 while all is well. */
  broken = 0;
  private readonly c: Libc;
  /** Bytes of virtio header on the wire between the kernel and us: 10 or 0. */
  private readonly header: number;
  private open = true;

  constructor(name: string, fd: number, mtu: number, vnetHeader: boolean, features: number) {
    this.name = name;
    this.fd = fd;
    this.mtu = mtu;
    this.features = features;
    this.header = vnetHeader ? VIRTIO_HEADER : 0;
    this.c = libc();
  }

  receive(into: Packet): boolean {
    const at = HEADROOM - this.header;
    const n = this.c.read(this.fd, this.addressOf(into) + at, into.bytes.length - at);
    if (n < 0) {
      this.noteError(this.c.errno());
      return false;
    }
    into.reset(HEADROOM);
    if (n < this.header) return true; // an empty frame: the device counts the error
    into.tail = at + n;
    // a frame whose header cannot be true is handed up empty, to be counted as an error
    if (this.header !== 0 && !parseVirtioHeader(into, at)) into.tail = into.data;
    return true;
  }

  transmit(frame: Packet): number {
    const at = frame.data - this.header;
    if (at < 0) return -Errno.EINVAL;
    if (this.header !== 0) emitVirtioHeader(frame, at);
    const n = this.c.write(this.fd, this.addressOf(frame) + at, frame.tail - at);
    if (n >= 0) return 0;
    const errno = this.c.errno();
    this.noteError(errno);
    return -errno;
  }

  advance(_nowUs: number): void {}

  nextDeadlineUs(): number {
    return Number.POSITIVE_INFINITY;
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    closeSync(this.fd);
  }

  private noteError(errno: number): void {
    if (errno === EBADFD || errno === Errno.EBADF || errno === Errno.EFAULT) this.broken = errno;
  }

  /** Where the packet's store lies in memory: asked once. */
  private addressOf(p: Packet): number {
    if (p.address === 0) p.address = this.c.address(p.bytes);
    return p.address;
  }
}
