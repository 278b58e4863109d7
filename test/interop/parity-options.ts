/** The oracle's option names, as agent_kernel.py has them, and the option each one is. */
import { IpOpt, Level, type OptionValue, So, TcpOpt } from '../../stack/socket/socket.js';

const IPV6_MINHOPCOUNT = 73;
const IPV6_V6ONLY = 26;

const table: Readonly<Record<string, readonly [level: number, name: number]>> = {
  linger: [Level.SOCKET, So.LINGER],
  keepalive: [Level.SOCKET, So.KEEPALIVE],
  keepidle: [Level.TCP, TcpOpt.KEEPIDLE],
  keepintvl: [Level.TCP, TcpOpt.KEEPINTVL],
  keepcnt: [Level.TCP, TcpOpt.KEEPCNT],
  nodelay: [Level.TCP, TcpOpt.NODELAY],
  cork: [Level.TCP, TcpOpt.CORK],
  linger2: [Level.TCP, TcpOpt.LINGER2],
  defer_accept: [Level.TCP, TcpOpt.DEFER_ACCEPT],
  fastopen: [Level.TCP, TcpOpt.FASTOPEN],
  user_timeout: [Level.TCP, TcpOpt.USER_TIMEOUT],
  minttl: [Level.IP, IpOpt.MINTTL],
  minhop6: [Level.IPV6, IPV6_MINHOPCOUNT],
  rcvbuf: [Level.SOCKET, So.RCVBUF],
  sndbuf: [Level.SOCKET, So.SNDBUF],
  reuseaddr: [Level.SOCKET, So.REUSEADDR],
  reuseport: [Level.SOCKET, So.REUSEPORT],
  broadcast: [Level.SOCKET, So.BROADCAST],
  mtu_discover: [Level.IP, IpOpt.MTU_DISCOVER],
  congestion: [Level.TCP, TcpOpt.CONGESTION],
  fastopen_connect: [Level.TCP, TcpOpt.FASTOPEN_CONNECT],
  quickack: [Level.TCP, TcpOpt.QUICKACK],
  window_clamp: [Level.TCP, TcpOpt.WINDOW_CLAMP],
  maxseg: [Level.TCP, TcpOpt.MAXSEG],
  ttl: [Level.IP, IpOpt.TTL],
  max_pacing_rate: [Level.SOCKET, So.MAX_PACING_RATE],
  notsent_lowat: [Level.TCP, TcpOpt.NOTSENT_LOWAT],
  v6only: [Level.IPV6, IPV6_V6ONLY],
};

export function parityOption(name: string): readonly [level: number, name: number] {
  const o = table[name];
  if (!o) throw new Error(`unknown option ${name}`);
  return o;
}

export function parityValue(value: unknown): OptionValue {
  if (typeof value === 'number' || typeof value === 'string') return value;
  if (Array.isArray(value) && value.length === 2) return [Number(value[0]), Number(value[1])];
  throw new Error(`not an option's value: ${JSON.stringify(value)}`);
}

/** struct tcp_md5sig for an IPv4 peer: sockaddr_storage, flags, prefix length, key length, interface, key. */
export function md5Signature(address: number, key: string): Uint8Array {
  const b = new Uint8Array(128 + 8 + 80);
  const v = new DataView(b.buffer);
  v.setUint16(0, 2, true); // AF_INET
  v.setUint32(4, address);
  const bytes = new TextEncoder().encode(key);
  v.setUint16(130, bytes.length, true);
  b.set(bytes, 136);
  return b;
}
