/**
 * UDP super-frames, UDP_SEGMENT, UDP_GRO and corks against a Linux 6.18 kernel: the same frames and calls give the same answers, the same
 * frames back, and move every counter alike; on a link that segments, on one that does not, and on one without any offload.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { linkKinds } from '../../support/super-link.js';
import { comparable, playUdp, type Recording, type Step } from '../../support/udp-recording.js';

const read = (name: string) => JSON.parse(readFileSync(new URL(`../../golden/kernel-udp/${name}.json`, import.meta.url), 'utf8'));
const scenarios = read('scenarios') as Record<string, readonly Step[]>;
/** `cut`: on a link that does not segment, where that differs. */
const recordings = read('recording') as Record<string, { readonly whole: Recording; readonly cut?: Recording }>;

describe('what a Linux kernel did', () => {
  it('was recorded', () => {
    expect(Object.keys(recordings)).toEqual(Object.keys(scenarios));
  });

  describe.each(['whole', 'cut', 'plain'] as const)('link: %s', (kind) => {
    it.each(Object.keys(scenarios))('%s', (name) => {
      const { whole, cut } = recordings[name]!;
      expect(playUdp(scenarios[name]!, linkKinds[kind])).toEqual(comparable(kind === 'whole' ? whole : (cut ?? whole)));
    });
  });
});
