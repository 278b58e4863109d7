/** A host of several stacks on the queues of one TAP against the kernel. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Namespace } from '../../support/namespace.js';
import { needs, note } from '../../support/needs.js';

const why = needs.all(needs.tap, needs.netns);
const program = new URL('./queues-program.ts', import.meta.url);
let ns: Namespace;

describe.skipIf(why)(`a TAP of several queues${note(why)}`, () => {
  beforeAll(() => {
    ns = new Namespace('tsn-queues');
  });
  afterAll(() => ns?.remove());

  it.each([
    [1, 4],
    [2, 4],
    [4, 4],
    [2, 6],
  ])(
    'carries streams and datagrams both ways, counted once: %i, over IPv%i',
    (queues, family) => {
      const own = new Namespace(`tsn-queues${queues}`);
      try {
        const r = own.script(program, [String(queues), String(family)], 90_000);
        expect(r.stderr).toBe('');
        const said = JSON.parse(r.stdout);
        expect(said).toMatchObject({
          service: 48,
          listener: 48,
          active: 48,
          later: 48,
          // the kernel has forgotten some flows and steers them elsewhere
          astray: queues > 1,
          udp: { bound: 18, service: 12 },
          consistent: true,
          wrong: [],
          // the service is one of each family
          listeners: family === 6 ? 2 : 1,
          endpoints: family === 6 ? 2 : 1,
          established: [48, 48],
          sockets: 48,
          opens: [96, 48],
          spread: [queues, queues],
          datagrams: [30, 0],
          pings: family === 6 ? 10 : 0,
          neighbours: family === 6 ? expect.arrayContaining(['fd77::1']) : ['10.77.0.1'],
        });
        const { before } = said.left;
        expect(before.tun).toBe(0);
        expect(said.left).toEqual({ tap: false, before, after: before, crashes: 0 });
        expect(said.afterCrash).toEqual({ crashes: 1, tap: false, after: before });
        // what one side has sent, the other has received
        expect(said.in).toBeGreaterThanOrEqual(0);
        expect(said.in).toBeLessThanOrEqual(said.repeats[0]);
        expect(said.out).toBeGreaterThanOrEqual(0);
        expect(said.out).toBeLessThanOrEqual(said.repeats[1]);
      } finally {
        own.remove();
      }
    },
    120_000,
  );
});
