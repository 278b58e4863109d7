// Types, lint and every test, in this order; prints `N passed, N failed, N skipped` as the last line. Types and lint count as one test each.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (...parts) => join(root, 'node_modules', ...parts);
const scratch = mkdtempSync(join(tmpdir(), 'tsnetstat-test-'));
const report = join(scratch, 'report.json');
let passed = 0;
let failed = 0;
let skipped = 0;

function step(name, ...args) {
  process.stdout.write(`\n== ${name}\n`);
  return spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;
}
function tally(ok) {
  if (ok) passed++;
  else failed++;
}

const only = process.argv.slice(2);
if (only.length === 0) {
  tally(step('types', bin('typescript', 'bin', 'tsc'), '-p', 'tsconfig.json'));
  tally(step('lint and format', bin('@biomejs', 'biome', 'bin', 'biome'), 'check', '--error-on-warnings', '.'));
}
const ok = step(
  'tests',
  bin('vitest', 'vitest.mjs'),
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
  ...only,
);
let seen = 0;
try {
  const r = JSON.parse(readFileSync(report, 'utf8'));
  passed += r.numPassedTests;
  failed += r.numFailedTests;
  skipped += r.numPendingTests;
  seen = r.numTotalTests;
  for (const file of r.testResults) if (file.status === 'failed' && file.assertionResults.length === 0) failed++;
} catch {
  // vitest died before it wrote its report
}
if (!ok && failed === 0) failed++;
if (seen === 0 && ok) failed++;
rmSync(scratch, { recursive: true, force: true });
const line = `${passed} passed, ${failed} failed, ${skipped} skipped`;
if (process.env.TEST_SUMMARY) writeFileSync(process.env.TEST_SUMMARY, line);
process.stdout.write(`\n${line}\n`);
process.exit(failed > 0 ? 1 : 0);
