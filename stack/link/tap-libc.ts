/**
 * The few system calls that Node has no words for, by koffi, which has its only home here. Loaded on first use: a stack on the in-memory
 * wire never needs the library, nor Linux.
 *
 * Buffers are handed over as addresses: an ArrayBuffer's store does not move, so an address is looked up once per store and a call then
 * allocates nothing. Whoever holds an address must hold the buffer too.
 */
import { createRequire } from 'node:module';
import { endianness } from 'node:os';
import process from 'node:process';
import { errnoName } from '../core/errno.js';

type Address = number;

/** System calls give their result, or -1 with the reason in `errno()`. */
export interface Libc {
  read(fd: number, at: Address, length: number): number;
  write(fd: number, at: Address, length: number): number;
  ioctl(fd: number, request: number, argument: Address): number;
  ioctlValue(fd: number, request: number, value: number): number;
  socket(domain: number, type: number, protocol: number): number;
  close(fd: number): number;
  eventfd(initial: number, flags: number): number;
  /** @param fds address of struct pollfd[n]; @param timeout address of a struct timespec, 0 for no limit; @param mask 0 */
  ppoll(fds: Address, n: number, timeout: Address, mask: Address, maskSize: number): number;
  errno(): number;
  /** Where a buffer lies in memory. */
  address(buffer: ArrayBufferView | ArrayBuffer): Address;
}

/** A system call failed: `code` is errno's name, the message says what was tried and what to do. */
export class SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  constructor(message: string, errno: number) {
    super(message);
    this.name = 'SystemError';
    this.errno = errno;
    this.code = errnoName(errno);
  }
}

let loaded: Libc | undefined;

/** @throws SystemError ENOSYS where there is no Linux or no koffi for this machine */
export function libc(): Libc {
  loaded ??= load();
  return loaded;
}

const ENOSYS = 38;

function load(): Libc {
  if (process.platform !== 'linux') throw new SystemError(`a TAP needs Linux, this is ${process.platform}`, ENOSYS);
  // ioctl structures are in the machine's byte order; all machines that koffi is built for and anybody runs are little-endian
  if (endianness() !== 'LE') throw new SystemError('a TAP needs a little-endian machine', ENOSYS);
  let koffi: typeof import('koffi');
  try {
    koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  } catch (e) {
    throw new SystemError(`koffi cannot be loaded here: ${(e as Error).message.split('\n')[0]}`, ENOSYS);
  }
  const c = koffi.load(null);
  return {
    read: c.func('read', 'long', ['int', 'uintptr_t', 'size_t']),
    write: c.func('write', 'long', ['int', 'uintptr_t', 'size_t']),
    ioctl: c.func('ioctl', 'int', ['int', 'ulong', 'uintptr_t']),
    ioctlValue: c.func('ioctl', 'int', ['int', 'ulong', 'ulong']),
    socket: c.func('socket', 'int', ['int', 'int', 'int']),
    close: c.func('close', 'int', ['int']),
    eventfd: c.func('eventfd', 'int', ['uint', 'int']),
    ppoll: c.func('ppoll', 'int', ['uintptr_t', 'ulong', 'uintptr_t', 'uintptr_t', 'size_t']),
    errno: () => koffi.errno(),
    address: (buffer) => Number(koffi.address(buffer)),
  };
}
