#!/usr/bin/env node
/** tsnetstat: netstat's face of the stack. Here the command meets the process; everything else is in run.ts. */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import type { Io } from './io.js';
import { run } from './run.js';

const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort());
process.once('SIGTERM', () => interrupted.abort());
// Whoever reads may have read enough (head, grep -q): that is no error.
process.stdout.on('error', (e: NodeJS.ErrnoException) => process.exit(e.code === 'EPIPE' ? 0 : 1));

/** From the package's own file, wherever this is run from: the sources or dist/. */
function version(): string {
  for (const up of ['../package.json', '../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as Record<string, string>;
      if (name === 'tsnetstat' && version) return version;
    } catch {
      // not here: one folder up
    }
  }
  return 'unknown';
}

const io: Io = {
  out: (text, encoding = 'utf8') => void process.stdout.write(text, encoding),
  err: (text) => void process.stderr.write(text),
  env: process.env,
  uid: process.getuid?.() ?? -1,
  get version() {
    return version();
  },
  signal: interrupted.signal,
};

process.exitCode = await run(process.argv.slice(2), io);
