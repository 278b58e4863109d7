#!/usr/bin/env node
/** tsnetstatd: reads its configuration, starts the daemon, and ends it in good order. Errors of the user are one line and exit code 1. */
import process from 'node:process';
import { helpText } from './config/help.js';
import { ConfigError, type Invocation, loadConfig } from './config/load.js';
import type { Daemon } from './daemon.js';
import { Log } from './log.js';
import { VERSION } from './version.js';

/** A way out that a second signal, or a stop that hangs, always has. */
const STOP_LIMIT_MS = 20_000;

function fail(message: string): never {
  process.stderr.write(`tsnetstatd: ${message}\n`);
  process.exit(1);
}

function invocation(): Invocation {
  try {
    return loadConfig(process.argv.slice(2), process.env);
  } catch (e) {
    if (e instanceof ConfigError) fail(e.message);
    throw e;
  }
}

async function main(): Promise<void> {
  const { config, configPath, help, version, check, unknownEnvironment } = invocation();
  if (help) return void process.stdout.write(helpText());
  if (version) return void process.stdout.write(`tsnetstatd ${VERSION}\n`);
  if (check) {
    const refused = (await import('./host.js')).refusedSysctl(config);
    if (refused !== '') fail(refused);
    return void process.stdout.write(`${configPath ?? 'configuration'}: ok\n`);
  }
  const log = new Log(config.log);
  for (const name of unknownEnvironment) log.warn(`${name}: no such key, ignored`);

  let asked = false;
  let stop: () => Promise<void> = async () => {};
  const end = (code: number): void => {
    asked = true;
    setTimeout(() => process.exit(1), STOP_LIMIT_MS).unref();
    void stop().then(() => process.exit(code));
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (asked) process.exit(1);
      log.info(`${signal}: stopping`);
      end(0);
    });
  }
  process.on('uncaughtException', (e) => {
    log.error('the daemon failed', { error: e.stack ?? e.message });
    if (!asked) end(1);
  });
  process.on('unhandledRejection', (e) => {
    log.error('the daemon failed', { error: e instanceof Error ? (e.stack ?? e.message) : String(e) });
    if (!asked) end(1);
  });

  // what only reads its configuration need not load the rest
  const { startDaemon } = await import('./daemon.js');
  let daemon: Daemon;
  const starting = startDaemon(config, log, (e) => {
    log.error(`the stack failed: ${e.message.split('\n')[0]}`);
    log.debug('its last words', { stack: e.stack });
    if (!asked) end(1);
  });
  stop = async () => {
    const started = await starting.catch(() => undefined);
    await started?.stop();
  };
  try {
    daemon = await starting;
  } catch (e) {
    if (asked) return;
    fail((e as Error).message.split('\n')[0]!);
  }
  if (!asked) log.info('ready', { version: VERSION, doors: daemon.doors.join(' ') });
}

await main();
