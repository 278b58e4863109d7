/**
 * Half-open connections (RFC 9293 3.5.1): a client that reset its connection while the interface was down is not there any more, and the
 * stack, which has nothing to send, cannot know. A new connection from the same port clears that up: the SYN is answered by an ACK (RFC 5961),
 * that by a RST, and the next SYN opens a new connection, which is closed in order. In the namespace of the TAP.
 *
 *   soak-reconnect ADDRESS LOCAL_PORT:PORT …
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import process from 'node:process';

const LIMIT_MS = 20_000;
const [address, ...pairs] = process.argv.slice(2);
setTimeout(() => process.exit(1), LIMIT_MS).unref();

for (const pair of pairs) {
  const [localPort, port] = pair.split(':').map(Number);
  const s = connect({ host: address!, port: port!, localPort: localPort! });
  await once(s, 'connect');
  s.resume().end();
  await once(s, 'close');
}
