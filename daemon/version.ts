/** The version of the package, from its package.json. */
import { existsSync, readFileSync } from 'node:fs';

interface Manifest {
  readonly name: string;
  readonly version: string;
}

/** Compiled files lie one folder deeper than sources. */
export const VERSION: string = (() => {
  for (const path of ['../package.json', '../../package.json']) {
    const url = new URL(path, import.meta.url);
    if (!existsSync(url)) continue;
    const manifest = JSON.parse(readFileSync(url, 'utf8')) as Manifest;
    if (manifest.name === 'tsnetstat') return manifest.version;
  }
  return 'unknown';
})();
