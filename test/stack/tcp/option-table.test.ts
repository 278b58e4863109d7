/**
 * Every option of SOL_SOCKET and IPPROTO_TCP as Linux 6.18 answers a process without privileges: what a fresh socket, a listener and a
 * connection say at first, whether values are taken, and what is said then. The golden was written by such a process on such a kernel
 * (options with filters, credentials and descriptors left out); an errno N is "EN", what is no number "N bytes".
 */
import { describe, expect, it } from 'vitest';
import { Level, So, TcpOpt } from '../../../stack/socket/socket.js';
import type { TcpSocket } from '../../../stack/tcp/socket.js';
import { listening } from '../../support/listening.js';
import { optionAnswers, optionGolden } from '../../support/option-golden.js';

const golden = optionGolden('socket-options.json');

/** Not compared, and why. */
const elsewhere: Readonly<Record<string, string>> = {
  [`6/${TcpOpt.MAXSEG}`]: 'a connection over loopback has another MSS',
  [`6/${TcpOpt.WINDOW_CLAMP}`]: 'and other windows',
  [`1/${So.SNDBUF}`]: 'and a larger send buffer',
  [`6/${TcpOpt.TIMESTAMP}`]: 'tells the time',
  [`6/${TcpOpt.CONGESTION}`]: 'is text',
  [`6/${TcpOpt.NOTSENT_LOWAT}`]: 'is unsigned here',
  [`6/${TcpOpt.ULP}`]: 'is text',
  [`6/${TcpOpt.CC_INFO}`]: 'belongs to the congestion control, and that is another',
  [`1/${So.PEERNAME}`]: 'Linux refuses a buffer that is longer than the address',
  [`1/${So.SNDBUFFORCE}`]: 'takes CAP_NET_ADMIN, which the owner of the stack has',
  [`1/${So.RCVBUFFORCE}`]: 'as well',
  [`1/${So.MARK}`]: 'as well',
  [`1/${So.MAX_PACING_RATE}`]: 'has two sizes',
  '6/32': 'TCP_MD5SIG_EXT',
  '6/42': 'TCP_AO_REPAIR',
  '1/80': 'device memory is not there',
};

function sockets(kind: string): TcpSocket {
  const w = listening();
  if (kind === 'listen') return w.listener;
  return kind === 'conn' ? w.pair().s : (w.host.stack.tcp(4) as TcpSocket);
}

describe('options as Linux answers them', () => {
  for (const [option, kinds] of Object.entries(golden.options)) {
    if (option in elsewhere) continue;
    const [level, name] = option.split('/').map(Number) as [number, number];
    for (const [kind, wanted] of Object.entries(kinds)) {
      for (const k of kind === 'any' ? ['fresh', 'listen', 'conn'] : [kind]) {
        it(`${level === Level.TCP ? 'IPPROTO_TCP' : 'SOL_SOCKET'} ${name}, ${k}`, () => {
          expect(optionAnswers(sockets(k), level, name, golden.values)).toEqual(wanted);
        });
      }
    }
  }
});
