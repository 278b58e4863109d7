import type { TcpInfo } from '../socket/socket.js';
import type { Connection } from './connection.js';
export function tcpInfo(c: Connection): TcpInfo {
  return { tcpi_state: c.state };
}
