/**
 * Runs the machine's real netstat against crafted /proc/net files: the oracle for everything that tsnetstat prints.
 *
 * All runs of one call share one private mount name space: a folder of ours is bound over /proc there, and its `net` is a link that is
 * turned to each case's folder in turn. So a thousand vectors take seconds, and nothing outside the name space changes. A network name
 * space of its own keeps the resolver from asking the world for names.
 * Needs root and unshare. A file that a folder lacks is really absent for netstat.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { needs } from '../support/needs.js';

export interface OracleCase {
  /** Folder with the files of /proc/net. */
  readonly dir: string;
  readonly args: readonly string[];
}
export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number;
}
export interface OracleOptions {
  /** Shell commands to run first inside the network name space: interfaces for `netstat -i`. */
  readonly netns?: string;
}

/** Why the oracle cannot run here, or ''. */
export const oracleNeeds = needs.all(needs.root, needs.tool('netstat'), needs.tool('unshare')) || nameSpaces();

/** Root in a container may not have the right. */
function nameSpaces(): string {
  const tried = spawnSync('unshare', ['-n', '-m', '--propagation', 'private', 'true']);
  return tried.status === 0 ? '' : 'needs the right to make name spaces';
}

const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

/** Runs every case; throws when the name space could not be made. */
export function runNetstat(cases: readonly OracleCase[], options: OracleOptions = {}): Ran[] {
  const work = mkdtempSync(join(tmpdir(), 'tsnetstat-oracle-'));
  try {
    const proc = join(work, 'proc');
    mkdirSync(join(proc, 'self'), { recursive: true });
    symlinkSync('../net', join(proc, 'self/net'));
    mkdirSync(join(proc, 'sys/net/ipv4'), { recursive: true });
    writeFileSync(join(proc, 'uptime'), '1000.00 1000.00\n');
    const nss = join(work, 'nsswitch.conf');
    writeFileSync(nss, 'passwd: files\nhosts: files\nservices: files\nnetworks: files\nprotocols: files\n');
    const bindNss = `[ ! -e /etc/nsswitch.conf ] || mount --bind ${quote(nss)} /etc/nsswitch.conf`;
    const script = ['set -e', options.netns ?? '', bindNss, `mount --bind ${quote(proc)} /proc`, 'set +e'];
    let dir = '';
    for (const [i, c] of cases.entries()) {
      if (c.dir !== dir) script.push(`ln -sfn ${quote(c.dir)} ${quote(join(proc, 'net'))}`);
      dir = c.dir;
      const to = join(work, String(i));
      script.push(`netstat ${c.args.map(quote).join(' ')} >${quote(`${to}.out`)} 2>${quote(`${to}.err`)}; echo $?`);
    }
    const shell = spawnSync('unshare', ['-n', '-m', '--propagation', 'private', 'sh'], {
      input: script.join('\n'),
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', COLUMNS: '80' },
      encoding: 'utf8',
      timeout: 120_000,
      maxBuffer: 1 << 26,
    });
    const statuses = shell.stdout.split('\n').filter(Boolean).map(Number);
    if (statuses.length !== cases.length)
      throw new Error(`the oracle ran ${statuses.length} of ${cases.length}: ${shell.stderr}`);
    return statuses.map((status, i) => ({
      status,
      stdout: readFileSync(join(work, `${i}.out`), 'utf8'),
      stderr: readFileSync(join(work, `${i}.err`), 'utf8'),
    }));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Writes files into a folder; a name may hold a folder (`sctp/snmp`). */
export function writeFiles(dir: string, files: Readonly<Record<string, string>>): string {
  mkdirSync(dir, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    if (name.includes('/')) mkdirSync(join(dir, name, '..'), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  return dir;
}
