/** The TAP against the kernel, in a namespace of the test's own. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HEADROOM } from '../../../stack/core/packet.js';
import { LinkFeature } from '../../../stack/link/link.js';
import { Namespace } from '../../support/namespace.js';
import { needs, note } from '../../support/needs.js';

const why = needs.all(needs.tap, needs.netns);
const program = new URL('./tap-program.ts', import.meta.url);
let ns: Namespace;
function act(name: string) {
  const r = ns.script(program, [name]);
  expect(r.stderr).toBe('');
  return JSON.parse(r.stdout);
}

describe.skipIf(why)(`TAP${note(why)}`, () => {
  beforeAll(() => {
    ns = new Namespace('tsn-tap');
  });
  afterAll(() => ns?.remove());

  it('says in one line why it cannot be used', () => {
    const r = act('errors');
    expect(r.busy).toEqual({ code: 'EBUSY', message: 'tapt0 is in use: another process holds this TAP' });
    expect(r.missing).toEqual({ code: 'ENODEV', message: 'there is no interface nosuch0 to attach to' });
    expect(r.noTap).toEqual({ code: 'EINVAL', message: 'lo is an interface, but no TAP that one process can attach to' });
    expect(r.name.code).toBe('TypeError');
    expect(r.long.code).toBe('TypeError');
    expect(r.noInterface.code).toBe('ENODEV');
    expect(r.badAddress.code).toBe('TypeError');
  });

  it("gives the kernel's side address, netmask, MTU, and takes everything away when it closes", () => {
    const r = act('setup');
    expect(r.before).toBe(false);
    expect(r.during.address).toBe('10.77.0.1');
    expect(r.during.mtu).toBe(1400);
    expect(r.during.up).toBe(true);
    expect(r.during.route).toMatch(/^10\.77\.0\.0\/24 .*src 10\.77\.0\.1/);
    expect(r.during.six).toBe('');
    expect(r.after).toBe(false);
  });

  it('moves frames both ways, with a virtio header and without, at the same offset', () => {
    const r = act('frames');
    for (const kind of ['plain', 'offloads']) {
      expect(r[kind]).toMatchObject({ none: false, sent: 0, answered: true, at: HEADROOM, operation: 2, sender: [10, 77, 0, 1] });
    }
    expect(r.plain.features).toBe(0);
    expect(r.offloads.features & (LinkFeature.csum | LinkFeature.tso4)).toBe(LinkFeature.csum | LinkFeature.tso4);
  });

  it('is told of unfinished checksums', () => {
    const r = act('checksums');
    expect(r.plain).toMatchObject({ got: true, partial: false, text: 'hello' });
    expect(r.offloads).toEqual({ got: true, partial: true, start: 34, offset: 6, text: 'hello' });
  });

  it('has several queues, to which the kernel spreads flows; the interface goes with the last one', () => {
    const r = act('queues');
    expect(r.errors.busy).toEqual({ code: 'EBUSY', message: 'tapt0 is in use: another process holds this TAP' });
    expect(r.errors.single.code).toBe('EINVAL');
    expect(r).toMatchObject({ name: ['tapt0', 'tapt0'], all: true, shares: [true, true], closed: true, gone: true });
  });

  it('says that a TAP of one queue takes no second one', () => {
    const wrong = { code: 'EINVAL', message: 'tapt0 exists and is no TAP of several queues (multi_queue)' };
    expect(act('queueOfSingle')).toEqual({ further: wrong, first: wrong });
  });

  it('gives -errno for a frame that is refused, and knows a deleted interface', () => {
    const r = act('refused');
    expect(r).toEqual({ down: -5, badHeader: -22, whole: 0, gone: -77, received: false, broken: true });
  });
});
