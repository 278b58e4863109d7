/** The stack's public face: what a daemon or another program is given. */
export type { DeviceIdentity } from '../mib/dto.js';
export { IpAddress } from './core/address.js';
export { type Random, SeededRandom } from './core/random.js';
export { SysctlTable } from './core/sysctl.js';
export { type Link, LinkFeature } from './link/link.js';
export { Wire } from './link/memory-wire.js';
export type { DatagramSocket, SocketFactory, StreamSocket } from './socket/socket.js';
export { type DeviceOptions, Stack, type StackOptions } from './stack.js';
export type { StackConfig } from './worker/config.js';
export { type HostEvents, type LogLevel, StackHost, StackStartError } from './worker/host.js';
export type { Tables } from './worker/messages.js';
