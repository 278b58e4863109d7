/**
 * A few open connections and a UDP socket for the soak's last question, in the namespace of the TAP: each line on standard input makes every
 * one of them exchange some bytes; the answer is a line when all is back.
 *
 *   soak-probe ADDRESS
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import process from 'node:process';
import { createInterface } from 'node:readline';

const CONNECTIONS = 24;
const OCTETS = 20_000;
const address = process.argv[2]!;

const open = Array.from({ length: CONNECTIONS }, () => connect({ port: 7, host: address }));
await Promise.all(open.map((s) => once(s, 'connect')));
const udp = createSocket('udp4');
await new Promise<void>((resolve) => udp.connect(7, address, () => resolve()));

/** Sends, and waits until all of it is back. */
function echoed(s: Socket): Promise<void> {
  return new Promise((resolve) => {
    let left = OCTETS;
    const take = (d: Buffer): void => {
      left -= d.length;
      if (left > 0) return;
      s.off('data', take);
      resolve();
    };
    s.on('data', take);
    s.write(Buffer.alloc(OCTETS, 'p'));
  });
}

async function exchange(): Promise<void> {
  const datagram = once(udp, 'message');
  udp.send('probe');
  await Promise.all([...open.map(echoed), datagram]);
}

await exchange();
process.stdout.write('open\n');
createInterface({ input: process.stdin })
  .on('line', () => void exchange().then(() => process.stdout.write('done\n')))
  .on('close', () => {
    for (const s of open) s.destroy();
    udp.close();
  });
