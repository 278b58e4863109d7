/** RFC 5681: one segment a round trip in congestion avoidance, one for each acknowledged one below ssthresh. */
import { expect, it } from 'vitest';
import { Path } from '../../../support/path.js';

it('reno grows by one segment a round trip above ssthresh', () => {
  const p = new Path({ delayUs: 20_000, sysctl: { tcp_congestion_control: 'reno' } });
  const { connection } = p.flow();
  connection.sndSsthresh = 20;
  const windows: number[] = [];
  p.watch(20 * 40_000, 40_000, () => windows.push(connection.sndCwnd));
  expect(windows).toEqual(Array.from({ length: 20 }, (_, i) => 20 + i));
});
