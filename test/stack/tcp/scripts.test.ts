/** Every script of test/pkt, packetdrill's language, in virtual time. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { runScriptFile } from '../../support/pkt/run.js';

const root = join(import.meta.dirname, '../../pkt');

for (const { name: folder } of readdirSync(root, { withFileTypes: true }).filter((e) => e.isDirectory())) {
  describe(folder, () => {
    for (const file of readdirSync(join(root, folder))) {
      it(file.replace('.pkt', ''), () => {
        runScriptFile(join(root, folder, file));
      });
    }
  });
}
