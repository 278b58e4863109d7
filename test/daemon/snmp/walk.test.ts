/** The whole walk of a made-up stack, reviewed as a diff: `npx vitest run test/daemon/snmp/walk.test.ts -u` writes it anew. */
import { expect, it } from 'vitest';
import { formatOid } from '../../../daemon/snmp/oid.js';
import { testAgent, walk } from './agent.js';

it('is the golden one', async () => {
  const agent = testAgent();
  const objects = agent.view.objects.map((o) => ({ name: o.name, type: o.type, at: formatOid(o.base) }));
  const lines = (await walk(agent)).map((b) => {
    const object = objects.find((o) => b.oid.startsWith(`${o.at}.`))!;
    const value = object.type === 'OCTET STRING' && !/Address$/i.test(object.name) ? JSON.stringify(text(b.value)) : b.value;
    return `${b.oid} ${object.name} ${object.type} ${value}`;
  });
  await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot('./walk.golden.txt');
});

function text(hex: bigint | string): string {
  return Buffer.from(String(hex), 'hex').toString();
}
