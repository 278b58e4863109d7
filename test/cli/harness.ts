/** Runs the command inside the test's process, and plays the daemon on a unix socket of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../cli/run.js';
import type { Ran } from '../mib/netstat-oracle.js';

export interface CliOptions {
  readonly env?: Record<string, string>;
  readonly uid?: number;
  readonly signal?: AbortSignal;
  /** Called with every piece of stdout. */
  readonly onOut?: (text: string) => void;
}

export async function cli(args: readonly string[], options: CliOptions = {}): Promise<Ran> {
  let stdout = '';
  let stderr = '';
  const status = await run(args, {
    out: (text) => {
      stdout += text;
      options.onOut?.(text);
    },
    err: (text) => {
      stderr += text;
    },
    env: options.env ?? {},
    uid: options.uid ?? 4242,
    version: '1.2.3',
    signal: options.signal ?? new AbortController().signal,
  });
  return { stdout, stderr, status };
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface FakeDaemon {
  readonly socket: string;
  /** Paths that were asked for. */
  readonly asked: string[];
  close(): Promise<void>;
}

/** @param answers by path without query: a value is sent as JSON, a function answers itself; anything else is a 404 problem */
export async function fakeDaemon(answers: Readonly<Record<string, unknown>>): Promise<FakeDaemon> {
  const folder = mkdtempSync(join(tmpdir(), 'tsnetstat-cli-'));
  const socket = join(folder, 'd.sock');
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url!);
    const answer = answers[decodeURIComponent(request.url!.split('?')[0]!)];
    if (typeof answer === 'function') (answer as Handler)(request, response);
    else if (answer !== undefined) response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
    else {
      const problem = { type: 'about:blank', title: 'Not Found', status: 404, detail: `nothing is called ${request.url}` };
      response.writeHead(404, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
    }
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    socket,
    asked,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
