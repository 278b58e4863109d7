/** Two that want one address, one of them a kernel (RFC 4862 5.4): who comes second does without, and says so. */
import { afterAll, describe, expect, it } from 'vitest';
import { needs, note } from '../support/needs.js';
import { KernelSide, TAP, until } from './kernel-side.js';

const whyNot = needs.all(needs.tap, needs.netns);
const MAC = '02:00:00:00:00:77';

describe.skipIf(whyNot)(`duplicate addresses${note(whyNot)}`, () => {
  let side: KernelSide;
  afterAll(async () => side?.close());

  it('one that a kernel has is not used, and said; one that is ours the kernel does not take', async () => {
    side = new KernelSide();
    side.sysctl(`net.ipv6.conf.${TAP}.router_solicitation_delay=0`);
    side.ip('address', 'add', 'fd77::2/64', 'dev', TAP, 'nodad');
    side.ip('link', 'set', TAP, 'up');
    await side.daemon('--mac', MAC, '--address6', 'fd77::2/64');
    const states = async () => Object.fromEntries((await side.addresses()).map((a) => [a.address, a.state]));
    const ours = 'fe80::ff:fe00:77';
    const all = await until(states, (s) => s['fd77::2'] === 'dadfailed' && s[ours] === 'preferred');
    expect(all['fd77::2']).toBe('dadfailed');
    const kernelsMac = /link\/ether (\S+)/.exec(side.ip('link', 'show', TAP))![1];
    expect(side.log).toMatch(new RegExp(`warn +duplicate address fd77::2 on ${TAP}: ${kernelsMac} has it`));
    const counters = await side.counters();
    expect(counters['Icmp6.OutNeighborSolicits']).toBeGreaterThanOrEqual(2); // one for each address
    expect(counters['Icmp6.InNeighborAdvertisements']).toBeGreaterThanOrEqual(1);
    // and the other way round
    side.ip('address', 'add', `${ours}/64`, 'dev', TAP);
    const shown = await until(
      () => side.ip('-6', 'address', 'show', 'dev', TAP),
      (text) => text.includes('dadfailed'),
    );
    expect(shown).toMatch(new RegExp(`${ours}/64 [^\\n]*dadfailed`));
    expect((await states())[ours]).toBe('preferred');
  }, 30_000);
});
