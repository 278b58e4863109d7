/** A client of the daemon's live traces (Server-Sent Events over the unix socket) that adds up what it is told. */
import { type ClientRequest, request } from 'node:http';
import type { TraceEventDto, TraceGapDto } from '../../mib/dto.js';

export class Trace {
  events = 0;
  /** Sum of the increments of all events. */
  increments = 0;
  gaps = 0;
  /** Sum of the increments that the gaps tell of. */
  lost = 0;
  private rest = '';
  private readonly request: ClientRequest;
  /** The probes are armed. @throws Error when the daemon refuses */
  readonly armed: Promise<void>;

  constructor(socketPath: string, probes: readonly string[]) {
    const query = probes.map((p) => `probe=${encodeURIComponent(p)}`).join('&');
    this.request = request({ socketPath, path: `/api/v1/trace?${query}`, agent: false });
    this.armed = new Promise((resolve, reject) => {
      this.request.on('response', (response) => {
        response.on('error', () => {}); // it is we who leave
        if (response.statusCode !== 200) reject(new Error(`trace ${query}: ${response.statusCode}`));
        response.on('data', (d: Buffer) => {
          this.take(d.toString());
          resolve();
        });
      });
      this.request.on('error', reject);
    });
    this.request.end();
  }

  leave(): void {
    this.request.destroy();
  }

  /** Whole messages; the rest of one waits for more. */
  private take(text: string): void {
    const messages = (this.rest + text).split('\n\n');
    this.rest = messages.pop()!;
    for (const m of messages) {
      const data = /^data: (.*)$/m.exec(m)?.[1];
      if (!data) continue; // a comment
      if (m.startsWith('event: gap')) {
        this.gaps++;
        this.lost += (JSON.parse(data) as TraceGapDto).lost;
      } else {
        this.events++;
        this.increments += (JSON.parse(data) as TraceEventDto).increment;
      }
    }
  }
}
