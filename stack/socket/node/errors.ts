/** Errors of the façades, shaped as node:net's: `code`, `errno` (negative, as Node has it), `syscall`, `address`, `port`. */
import { Errno, errnoName } from '../../core/errno.js';
import type { PlainEndpoint } from './messages.js';

export interface SocketError extends Error {
  code: string;
  errno: number;
  syscall: string;
  address?: string;
  port?: number;
}

export function socketError(errno: number, syscall: string, at?: PlainEndpoint): SocketError {
  const code = errnoName(errno);
  const where = at ? ` ${at.address.includes(':') ? `[${at.address}]` : at.address}:${at.port}` : '';
  const e = new Error(`${syscall} ${code}${where}`) as SocketError;
  e.code = code;
  e.errno = -Math.abs(errno);
  e.syscall = syscall;
  if (at) {
    e.address = at.address;
    e.port = at.port;
  }
  return e;
}

/** What calls on a socket give when the stack has stopped. */
export function stoppedError(syscall: string): SocketError {
  return socketError(Errno.ENETDOWN, syscall);
}
