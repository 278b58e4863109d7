/** The stack's public face: what a daemon or another program is given. */
export { IpAddress } from './core/address.js';
export { SeededRandom } from './core/random.js';
export { SysctlTable } from './core/sysctl.js';
export type { Link } from './link/link.js';
export { LinkFeature } from './link/link.js';
export { Wire } from './link/memory-wire.js';
export type { DatagramSocket, SocketFactory, StreamSocket } from './socket/socket.js';
export { type DeviceOptions, Stack, type StackOptions } from './stack.js';
export { type StackEvents, StackHost } from './worker/host.js';
