/**
 * The situations of our own choosing, all of them. With kernel-deltas.ts they move every row of the four IPv6 groups but Udp6.MemErrors and
 * UdpLite6.MemErrors, whose limit (net.ipv4.udp_mem) is one for the whole machine.
 */
import { icmp6Situations } from './kernel-icmp6-situations.js';
import { ip6Situations } from './kernel-ip6-situations.js';
import { udp6Situations } from './kernel-udp6-situations.js';

export const situations6 = { ...ip6Situations, ...icmp6Situations, ...udp6Situations };
