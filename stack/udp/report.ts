/** What a datagram socket is told of ICMP errors (RFC 1122 4.1.3.3). */
import { IpAddress } from '../core/address.js';
import type { IcmpError } from '../ip/protocol.js';
import { PmtuDiscovery } from '../socket/ip-options.js';
import type { UdpSocket } from './socket.js';

const UNREACHABLE = 3;
const FRAGMENTATION_NEEDED = 4;
const SOURCE_QUENCH = 4;
const REDIRECT = 5;
const TOO_BIG6 = 2;
const REDIRECT6 = 137;

/** Hard errors are told to connected sockets by their next call; with IP_RECVERR every error to every socket. */
export function reportIcmp(s: UdpSocket, e: IcmpError): void {
  let fatal = e.fatal;
  if (e.family === 4) {
    if (e.type === SOURCE_QUENCH || e.type === REDIRECT) return;
    if (e.type === UNREACHABLE && e.code === FRAGMENTATION_NEEDED) {
      s.layer.networkOf(4)?.updatePmtu(new IpAddress(4, e.remote0, e.remote1, e.remote2, e.remote3), e.info);
      if (s.pmtuDiscovery === PmtuDiscovery.dont) return;
      fatal = true;
    }
  } else if (e.type === REDIRECT6) return;
  else if (e.type === TOO_BIG6) {
    s.layer.networkOf(6)?.updatePmtu(new IpAddress(6, e.remote0, e.remote1, e.remote2, e.remote3), e.info);
    if (s.pmtuDiscovery !== PmtuDiscovery.dont) fatal = true;
  }
  if (s.recvErr || (fatal && s.connected)) s.setError(e.errno);
}
