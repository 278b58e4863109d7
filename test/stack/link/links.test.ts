import { SeededRandom } from '../../../stack/core/random.js';
import { Loopback } from '../../../stack/link/loopback.js';
import { Wire } from '../../../stack/link/memory-wire.js';
import { PcapLink } from '../../../stack/link/pcap.js';
import { linkSuite } from './common.js';

linkSuite('a wire', () => new Wire(new SeededRandom(1)));
linkSuite('a slow wire', () => new Wire(new SeededRandom(1), { both: { delayUs: 5000, rate: 10_000_000 } }));
linkSuite('loopback', () => {
  const lo = new Loopback();
  return { a: lo, b: lo };
});
linkSuite('a wire under pcap', () => {
  const wire = new Wire(new SeededRandom(1));
  return { a: new PcapLink(wire.a, () => {}), b: new PcapLink(wire.b, () => {}) };
});
