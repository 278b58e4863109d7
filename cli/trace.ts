/**
 * `tsnetstat trace NAME…`: one line per event of a counter or another probe, as it happens, with the connection it happened on. What the
 * daemon could not deliver is a line too: events + gaps = the counter's delta.
 */
import type { TraceEventDto, TraceGapDto } from '../mib/dto.js';
import { probeName, probeSpellings, resolveProbe } from '../mib/probe/names.js';
import { PROBE_POINTS } from '../mib/probe/points.js';
import { classicLine, gapLine, traceLine } from '../mib/text/trace-line.js';
import { UsageError } from './flags.js';
import { CommandError, type Io } from './io.js';
import { DaemonSource, socketPaths } from './sources/daemon.js';
import { BadAnswer, serverEvents } from './sources/http.js';

interface TraceOptions {
  readonly names: readonly string[];
  readonly classic: boolean;
  readonly json: boolean;
  readonly list: boolean;
  /** Stop after so many events; Infinity for never. */
  readonly count: number;
  /** Stop after so many ms; Infinity for never. */
  readonly durationMs: number;
  readonly socket: string | undefined;
}

/** Undefined when the help was asked for and printed. @throws UsageError */
async function parse(args: readonly string[], io: Io): Promise<TraceOptions | undefined> {
  const { default: yargs } = await import('yargs');
  const parser = yargs([...args])
    .scriptName('tsnetstat')
    .usage(
      '$0 trace NAME...\n\nPrints one line per event. A NAME is a counter (Tcp.RetransSegs, tcpmib.RetransSegs or mib:::tcpRetransSegs)\nor an event probe (tcp:state-change).',
    )
    .option('classic', { type: 'boolean', default: false, describe: '[DEVICE] SOURCE:PORT -> DESTINATION:PORT len: N' })
    .option('json', { type: 'boolean', default: false, describe: 'one JSON object a line' })
    .option('list', { type: 'boolean', default: false, describe: 'print every probe with all its names' })
    .option('count', { type: 'string', requiresArg: true, describe: 'stop after so many events' })
    .option('duration', { type: 'string', requiresArg: true, describe: 'stop after so long: 500ms, 10s (or 10), 2m' })
    .option('socket', { type: 'string', requiresArg: true, describe: "the daemon's unix socket" })
    .strictOptions()
    .version(false)
    .help(false)
    .option('help', { alias: 'h', type: 'boolean', default: false, describe: 'this text' })
    .wrap(100)
    .exitProcess(false)
    .parserConfiguration({ 'duplicate-arguments-array': false, 'parse-positional-numbers': false })
    .fail((message, error) => {
      // as the other commands say it: yargs gives the name without its dashes
      const unknown = /^Unknown arguments?: ([^,]+)/.exec(message ?? '')?.[1];
      if (unknown)
        throw new UsageError(`unknown option '${unknown.length > 1 ? '--' : '-'}${unknown}' (tsnetstat trace --help lists them)`);
      throw new UsageError(error?.message ?? message);
    });
  const a = await parser.parseAsync();
  if (a.help) {
    io.out(`${await parser.getHelp()}\n`);
    return undefined;
  }
  if (a.classic && a.json) throw new UsageError('--classic and --json are two formats: give one');
  return {
    names: a._.map(String),
    classic: a.classic,
    json: a.json,
    list: a.list,
    count: a.count === undefined ? Number.POSITIVE_INFINITY : countOf(a.count),
    durationMs: a.duration === undefined ? Number.POSITIVE_INFINITY : durationOf(a.duration),
    socket: a.socket,
  };
}

function countOf(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new UsageError(`--count: '${text}' is no number of events`);
  return Number(text);
}

function durationOf(text: string): number {
  const m = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  const ms = m ? Number(m[1]) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[(m[2] ?? 's') as 'ms' | 's' | 'm' | 'h'] : Number.NaN;
  if (!(ms > 0 && ms < 2 ** 31)) throw new UsageError(`--duration: '${text}' is no time (500ms, 10s, 2m)`);
  return ms;
}

/** @throws UsageError, CommandError */
export async function trace(args: readonly string[], io: Io): Promise<number> {
  const options = await parse(args, io);
  if (!options) return 0;
  if (options.list) return list(io);
  if (options.names.length === 0) throw new UsageError('trace needs the name of a probe (tsnetstat trace --list prints all)');
  for (const name of options.names) {
    if (resolveProbe(name).length === 0) throw new UsageError(`no probe is called '${name}' (tsnetstat trace --list prints all)`);
  }
  return follow(options, io);
}

function list(io: Io): number {
  for (let point = 0; point < PROBE_POINTS; point++) {
    if (/\.(In|Out)Type\d+$/.test(probeName(point))) continue; // 1024 per-type slots: their names go by rule
    io.out(`${probeSpellings(point).join(' ')}\n`);
  }
  return 0;
}

async function follow(options: TraceOptions, io: Io): Promise<number> {
  const source = new DaemonSource(socketPaths(io, options.socket));
  const stop = new AbortController();
  const abort = () => stop.abort();
  io.signal.addEventListener('abort', abort);
  if (io.signal.aborted) abort();
  const timer = Number.isFinite(options.durationMs) ? setTimeout(abort, options.durationMs) : undefined;
  try {
    const query = options.names.map((n) => `probe=${encodeURIComponent(n)}`).join('&');
    const answer = await source.open(`/api/v1/trace?${query}`, 'text/event-stream', stop.signal);
    let events = 0;
    for await (const { event, data } of serverEvents(answer)) {
      io.out(lineOf(event, data, options));
      if (event !== 'gap' && ++events >= options.count) return 0;
    }
    if (!stop.signal.aborted) throw new CommandError('the daemon ended the trace');
    return 0;
  } catch (e) {
    if (stop.signal.aborted) return 0; // Ctrl-C, or the time is over
    if (e instanceof BadAnswer || (e as NodeJS.ErrnoException).code !== undefined)
      throw new CommandError(`the trace broke off: ${(e as Error).message}`);
    throw e;
  } finally {
    clearTimeout(timer);
    io.signal.removeEventListener('abort', abort);
  }
}

function lineOf(event: string, data: string, options: TraceOptions): string {
  if (options.json) return event === 'gap' ? `{"gap":${data}}\n` : `${data}\n`;
  if (event === 'gap') return `${gapLine(JSON.parse(data) as TraceGapDto)}\n`;
  const e = JSON.parse(data) as TraceEventDto;
  return `${options.classic ? classicLine(e) : traceLine(e)}\n`;
}
