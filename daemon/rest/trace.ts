/**
 * Server-Sent Events of a trace (GET /api/v1/trace?probe=…). One `data:` per event; `event: gap` tells what did not fit, so that
 * events + gaps = the counter's delta. The first line is a comment with the snapshot the trace began at. A client that does not read gets
 * gaps, never memory.
 */
import type { ServerResponse } from 'node:http';
import type { SnapshotDto, TraceEventDto, TraceGapDto } from '../../mib/dto.js';
import { resolveProbe } from '../../mib/probe/names.js';
import type { TracePump, TraceSubscriber } from '../trace/pump.js';
import { listed } from './connection-filter.js';
import { Problem } from './problem.js';

export const MAX_TRACES = 32;
/** Octets that may wait for a client before its events become gaps. */
const MOST_WAITING = 256 * 1024;
const HEARTBEAT_MS = 15_000;

/** The points of all names. @throws Problem for an unknown one */
export function probePoints(names: readonly string[]): number[] {
  const points = new Set<number>();
  for (const name of listed(names)) {
    const resolved = resolveProbe(name);
    if (resolved.length === 0)
      throw new Problem('unknown-probe', `probe: ${name} is no counter and no event probe in any spelling`);
    for (const p of resolved) points.add(p);
  }
  if (points.size === 0) throw new Problem('unknown-probe', 'probe: none was named');
  return [...points];
}

class SseClient implements TraceSubscriber {
  private readonly response: ServerResponse;
  private id = 0;
  constructor(response: ServerResponse) {
    this.response = response;
  }
  event(_event: TraceEventDto, json: string): boolean {
    if (!this.hasRoom()) return false;
    this.response.write(`id: ${++this.id}\ndata: ${json}\n\n`);
    return true;
  }
  gap(gap: TraceGapDto): boolean {
    if (!this.hasRoom()) return false;
    this.response.write(`event: gap\ndata: ${JSON.stringify(gap)}\n\n`);
    return true;
  }
  private hasRoom(): boolean {
    return this.response.writableLength < MOST_WAITING && !this.response.writableEnded;
  }
}

/** Takes over the response until the client leaves or the pump is closed. */
export function streamTrace(response: ServerResponse, points: readonly number[], pump: TracePump, header: SnapshotDto): void {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  const end = pump.subscribe(points, new SseClient(response), () => response.end());
  response.write(`: tsnetstat ${JSON.stringify(header)}\n\n`);
  const heartbeat = setInterval(() => response.write(': still here\n\n'), HEARTBEAT_MS);
  response.once('close', () => {
    clearInterval(heartbeat);
    end();
  });
}
