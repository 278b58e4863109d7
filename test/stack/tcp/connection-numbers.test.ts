/** Numbers of connections in shared chunks: no two connections see each other's, and a slot is not used again while somebody may look. */
import { describe, expect, it } from 'vitest';
import { ANY4 } from '../../../stack/core/address.js';
import { ConnectionNumbers, NumberPool } from '../../../stack/tcp/connection-numbers.js';
import { FlowKind } from '../../../stack/tcp/table.js';
import { smallLedger } from '../../support/ledger.js';

const owner = smallLedger().unattributed;
const make = (pool: NumberPool) => new ConnectionNumbers(pool, FlowKind.connection, 4, ANY4, ANY4, owner);

describe('numbers of connections', () => {
  it('are each their own, over several chunks', () => {
    const pool = new NumberPool();
    const all = Array.from({ length: 1000 }, () => make(pool));
    all.forEach((c, i) => {
      c.tsRecent = i;
      c.rcvNxt = 0xffffffff - i;
      c.bytesRetrans = 1e12 + i;
    });
    expect(all.every((c, i) => c.tsRecent === i && c.rcvNxt === 0xffffffff - i && c.bytesRetrans === 1e12 + i)).toBe(true);
    expect(all.every((c) => c.sndNxt === 0 && c.lsndTimeUs === c.tsRecentUs)).toBe(true);
  });

  it('start anew in a slot that was used before', () => {
    const pool = new NumberPool();
    const fresh = make(pool);
    for (let i = 0; i < 3000; i++) {
      const c = make(pool);
      expect([c.sndUna, c.tsRecentUs, c.bytesRetrans]).toEqual([0, fresh.tsRecentUs, 0]);
      c.sndUna = c.tsRecentUs = c.bytesRetrans = 7;
      c.releaseNumbers(false);
    }
    expect(fresh.sndUna).toBe(0);
  });

  it('stay as they were for who still looks', () => {
    const pool = new NumberPool();
    const kept = make(pool);
    kept.sndUna = 12345;
    kept.releaseNumbers(true);
    kept.releaseNumbers(true); // again: nothing happens
    for (let i = 0; i < 2000; i++) {
      const c = make(pool);
      c.sndUna = i;
      c.releaseNumbers(false);
    }
    expect(kept.sndUna).toBe(12345);
    kept.sndUna++;
    expect(kept.sndUna).toBe(12346);
  });
});
