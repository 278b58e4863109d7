/** What a test may need from the machine, looked at once. A test that lacks something is skipped and says what it lacks. */
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import process from 'node:process';

function onPath(tool: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/bin', '/bin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const root = process.getuid?.() === 0;
const tap = root && existsSync('/dev/net/tun');

/** Why a test cannot run here, or '' when it can: `it.skipIf(why)(`name${note(why)}`, …)`. */
export const needs = {
  root: root ? '' : 'needs root',
  tap: tap ? '' : 'needs root and /dev/net/tun',
  /** Network namespaces of the test's own. */
  netns: root && onPath('ip') ? '' : 'needs root and iproute2',
  tool(name: string): string {
    return onPath(name) ? '' : `needs ${name}`;
  },
  /** The first reason of several. */
  all(...reasons: string[]): string {
    return reasons.find((r) => r !== '') ?? '';
  },
};

/** What to put behind a skipped test's name. */
export function note(why: string): string {
  return why ? ` (skipped: ${why})` : '';
}
