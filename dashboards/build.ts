/** Writes the dashboards as Grafana reads them: `npx tsx dashboards/build.ts`. A test holds that the committed files are fresh. */
import { writeFileSync } from 'node:fs';
import { argv } from 'node:process';
import { pathToFileURL } from 'node:url';
import { overview } from './overview.js';

/** File name (in grafana/dashboards/) and content. */
export function dashboardFiles(): ReadonlyMap<string, string> {
  return new Map([['tsnetstat-overview.json', `${JSON.stringify(overview(), null, 2)}\n`]]);
}

if (argv[1] !== undefined && import.meta.url === pathToFileURL(argv[1]).href) {
  for (const [name, text] of dashboardFiles()) writeFileSync(new URL(`./grafana/dashboards/${name}`, import.meta.url), text);
}
