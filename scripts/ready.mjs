// Makes the checkout ready to run: installs packages and builds, each only when stale, so that `npm start` also works where there is no
// network (inside a network namespace) and for a user who may not write here.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => join(root, ...parts);
const INSTALL_STAMP = at('node_modules', '.tsnetstat-installed');
const BUILD_STAMP = at('dist', '.tsnetstat-built');
const SOURCES = ['mib', 'stack', 'daemon', 'cli'];

function sourceFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((e) => {
    const path = join(folder, e.name);
    if (e.isDirectory()) return sourceFiles(path);
    return e.name.endsWith('.ts') ? [path] : [];
  });
}

function digest(files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(file.slice(root.length)).update('\0').update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}

const read = (file) => (existsSync(file) ? readFileSync(file, 'utf8').trim() : '');

function run(what, command, args) {
  process.stderr.write(`tsnetstat: ${what} ...\n`);
  const done = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (done.status !== 0) {
    process.stderr.write(`tsnetstat: ${what} failed: ${command} ${args.join(' ')}\n`);
    process.exit(done.status ?? 1);
  }
}

const buildDigest = () =>
  digest([at('tsconfig.json'), at('tsconfig.build.json'), ...SOURCES.flatMap((s) => sourceFiles(at(s))).sort()]);

const lock = digest([at('package-lock.json')]);
if (read(INSTALL_STAMP) !== lock) {
  run('installing packages', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(INSTALL_STAMP, lock);
}
const built = buildDigest();
if (read(BUILD_STAMP) !== built) {
  rmSync(at('dist'), { recursive: true, force: true });
  run('building', process.execPath, [at('node_modules', 'typescript', 'bin', 'tsc'), '-p', at('tsconfig.build.json')]);
  writeFileSync(BUILD_STAMP, built);
}
