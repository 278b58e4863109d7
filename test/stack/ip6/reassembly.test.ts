/** Pieces that repeat or overlap others, as a kernel of Linux 6.18 counted them (raw frames, one row a situation). */
import { afterEach, expect, it } from 'vitest';
import { Proto } from '../../support/frames.js';
import { expectSums } from '../../support/ledger.js';
import { fragmentHeader } from '../../support/peer6.js';
import { type Bed, bed, deltaOf, QUIET } from './fixture.js';

let b: Bed;
afterEach(() => expectSums(b.host.ledger));

type Piece = readonly [offset: number, length: number, more: boolean];

// biome-ignore format: a table
it.each<[string, Piece[], Record<string, number>]>([
  ['the first one twice', [[0, 800, true], [0, 800, true], [800, 800, false]], { ReasmReqds: 3, ReasmOKs: 1 }],
  ['inside two that came one behind the other', [[0, 800, true], [800, 800, true], [400, 800, true], [1600, 8, false]], { ReasmReqds: 4, ReasmOKs: 1 }],
  ['inside two of which the second came first', [[800, 800, true], [0, 800, true], [400, 800, true], [1600, 8, false]], { ReasmReqds: 4, ReasmFails: 1 }],
  ['one of the middle twice', [[800, 800, true], [0, 800, true], [0, 800, true], [1600, 8, false]], { ReasmReqds: 4, ReasmOKs: 1 }],
  ['in part', [[0, 800, true], [400, 800, true]], { ReasmReqds: 2, ReasmFails: 1 }],
  ['the last one twice', [[800, 800, false], [800, 800, false], [0, 800, true]], { ReasmReqds: 3, ReasmOKs: 1 }],
  ['an empty one at the end', [[0, 800, true], [800, 0, false]], { ReasmReqds: 2, ReasmFails: 1 }],
])('%s', (_, pieces, counted) => {
  b = bed({ sysctl: QUIET });
  const delta = deltaOf(b, () => {
    for (const [offset, length, more] of pieces) {
      b.six.send(Proto.udp, new Uint8Array(length), { extension: fragmentHeader(Proto.udp, offset, more), first: 44 });
    }
  });
  const reassembly = Object.entries(delta).filter(([name]) => name.startsWith('Ip6.Reasm'));
  expect(Object.fromEntries(reassembly.map(([name, n]) => [name.slice(4), n]))).toEqual(counted);
});
