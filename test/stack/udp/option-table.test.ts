/**
 * Every option of SOL_SOCKET, IPPROTO_UDP and IPPROTO_IP as Linux 6.18 answers a process without privileges, on a fresh UDP socket, a bound
 * and a connected one. The golden was written by such a process on such a kernel (options with filters, credentials and descriptors left out).
 */
import { describe, expect, it } from 'vitest';
import { IpOpt, Level, So } from '../../../stack/socket/socket.js';
import type { UdpSocket } from '../../../stack/udp/socket.js';
import { optionAnswers, optionGolden } from '../../support/option-golden.js';
import { fresh, open, PEER } from './fixture.js';

const golden = optionGolden('socket-options-udp.json');

/** Not compared, and why. */
const elsewhere: Readonly<Record<string, string>> = {
  [`1/${So.SNDBUFFORCE}`]: 'takes CAP_NET_ADMIN, which the owner of the stack has',
  [`1/${So.RCVBUFFORCE}`]: 'as well',
  [`1/${So.MARK}`]: 'as well',
  [`1/${So.MAX_PACING_RATE}`]: 'has two sizes',
  [`1/${So.PEERNAME}`]: 'Linux refuses a buffer that is longer than the address',
  [`1/${So.ZEROCOPY}`]: 'there is no error queue that could tell what has been sent',
  [`1/${So.TIMESTAMPING}`]: 'as well',
  '1/65': 'SO_TIMESTAMPING_NEW: as well',
  '1/16': 'SO_PASSCRED is of local sockets',
  '1/80': 'device memory is not there',
  '17/100': 'UDP_ENCAP is not there',
  '17/101': 'UDP_NO_CHECK6_TX is not there',
  '17/102': 'UDP_NO_CHECK6_RX is not there',
  [`0/${IpOpt.MTU}`]: 'a socket connected over loopback has another MTU',
};
/** IPPROTO_IP options that are here; the others ask for control messages, IP options or transparent proxying. */
const ipHere = Object.values(IpOpt).filter((name) => name !== IpOpt.RETOPTS && name !== IpOpt.RECVTTL && name !== IpOpt.MINTTL);

function socketIn(state: string): UdpSocket {
  fresh();
  const s = open(state === 'fresh' ? undefined : 6000);
  if (state === 'conn') expect(s.connect(PEER, 9)).toBe(0);
  return s;
}
const isHere = (level: number, name: number) => level !== Level.IP || (ipHere as number[]).includes(name);

describe('options as Linux answers them', () => {
  for (const [option, states] of Object.entries(golden.options)) {
    const [level, name] = option.split('/').map(Number) as [number, number];
    if (option in elsewhere || !isHere(level, name)) continue;
    for (const [state, wanted] of Object.entries(states)) {
      for (const k of state === 'any' ? ['fresh', 'bound', 'conn'] : [state]) {
        it(`level ${level} option ${name}, ${k}`, () => {
          expect(optionAnswers(socketIn(k), level, name, golden.values)).toEqual(wanted);
        });
      }
    }
  }
});
