/** Which SO_TIMESTAMPING flags Linux refuses. What is reported when: test/pkt/sockets/stamps*.pkt. */
import { describe, expect, it } from 'vitest';
import { Stamping, stampingRefused } from '../../../stack/tcp/tx-stamps.js';

describe('flags of SO_TIMESTAMPING', () => {
  const S = Stamping;
  it('that are not known', () => {
    expect(stampingRefused(1 << 19, 0, true)).toBe(true);
    expect(stampingRefused(-1, 0, true)).toBe(true);
    expect(stampingRefused(S.txAck | S.software, 0, false)).toBe(false);
  });
  it('that need another', () => {
    expect(stampingRefused(S.optIdTcp, 0, true)).toBe(true);
    expect(stampingRefused(S.optIdTcp | S.optId, 0, true)).toBe(false);
    expect(stampingRefused(S.optStats, 0, true)).toBe(true);
    expect(stampingRefused(S.optStats | S.optTsOnly, 0, true)).toBe(false);
  });
  it('that need a connection, once', () => {
    expect(stampingRefused(S.optId, 0, false)).toBe(true);
    expect(stampingRefused(S.optId, S.optId, false)).toBe(false);
  });
});
