/** Every measure of `npm run bench`, in the order in which they are taken. */
import { connectMeasures } from './connects.js';
import { counters } from './counters.js';
import { crowds } from './crowds.js';
import { events } from './events.js';
import { facade } from './facades.js';
import { families } from './families.js';
import type { Measure } from './measure.js';
import { ping } from './pings.js';
import { scrape } from './scrapes.js';
import { silence } from './silence.js';
import { streams } from './streams.js';
import { udp } from './udp.js';

export const measures: readonly Measure[] = [
  ...streams,
  ...families,
  ...connectMeasures,
  ...crowds,
  ...udp,
  counters,
  scrape,
  ping,
  silence,
  facade,
  events,
];
