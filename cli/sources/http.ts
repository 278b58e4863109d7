/**
 * The little of HTTP/1.1 (RFC 9112) that a command needs to ask the daemon over its unix socket: one GET a connection, a body by length,
 * in chunks, or up to the end. On node:net, because loading node:http would double the start-up time of a hot command.
 */
import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: AsyncIterable<Buffer>;
}

/** The answer broke off or is no HTTP. */
export class BadAnswer extends Error {}

const HEAD_LIMIT = 64 * 1024;

/** Octets of a socket, taken line by line or by number. */
class Input {
  private readonly chunks: AsyncIterator<Buffer>;
  private waiting: Buffer = Buffer.alloc(0);
  private ended = false;

  constructor(socket: Socket) {
    this.chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** False at the end. */
  private async more(): Promise<boolean> {
    if (this.ended) return false;
    const { value, done } = await this.chunks.next();
    this.ended = done === true;
    if (!this.ended) this.waiting = this.waiting.length === 0 ? value : Buffer.concat([this.waiting, value]);
    return !this.ended;
  }

  /** Up to CRLF, without it. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.waiting.indexOf('\r\n');
      if (end >= 0) {
        const line = this.waiting.toString('latin1', 0, end);
        this.waiting = this.waiting.subarray(end + 2);
        return line;
      }
      if (this.waiting.length > HEAD_LIMIT) throw new BadAnswer('the answer is no HTTP');
      if (!(await this.more())) throw new BadAnswer('the answer broke off');
    }
  }

  /** At most n octets, as they come; none at the end. */
  async some(n: number): Promise<Buffer> {
    if (this.waiting.length === 0 && !(await this.more())) return Buffer.alloc(0);
    const taken = this.waiting.subarray(0, n);
    this.waiting = this.waiting.subarray(taken.length);
    return taken;
  }
}

async function* bodyOf(input: Input, headers: ReadonlyMap<string, string>, socket: Socket): AsyncGenerator<Buffer> {
  try {
    if (headers.get('transfer-encoding')?.toLowerCase() === 'chunked') {
      for (;;) {
        const size = Number.parseInt(await input.line(), 16);
        if (Number.isNaN(size)) throw new BadAnswer('a chunk without a size');
        if (size === 0) return;
        yield* exactly(input, size);
        await input.line();
      }
    }
    const length = headers.get('content-length');
    if (length !== undefined) yield* exactly(input, Number(length));
    else for (let b = await input.some(65536); b.length > 0; b = await input.some(65536)) yield b;
  } finally {
    socket.destroy();
  }
}

async function* exactly(input: Input, length: number): AsyncGenerator<Buffer> {
  for (let left = length; left > 0; ) {
    const part = await input.some(left);
    if (part.length === 0) throw new BadAnswer('the answer broke off');
    left -= part.length;
    yield part;
  }
}

/** @param signal ends the connection; the body then ends as if the other side had closed. Rejects with the errno of connect. */
export async function get(socketPath: string, path: string, accept: string, signal?: AbortSignal): Promise<Answer> {
  const socket = connect({ path: socketPath });
  const stop = () => socket.destroy();
  signal?.addEventListener('abort', stop);
  socket.once('close', () => signal?.removeEventListener('abort', stop));
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new BadAnswer('the connection was closed')));
  });
  socket.write(`GET ${path} HTTP/1.1\r\nHost: tsnetstat\r\nAccept: ${accept}\r\nConnection: close\r\n\r\n`);
  const input = new Input(socket);
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(await input.line());
  if (!status) throw new BadAnswer('the answer is no HTTP');
  const headers = new Map<string, string>();
  for (let line = await input.line(); line !== ''; line = await input.line()) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { status: Number(status[1]), headers, body: bodyOf(input, headers, socket) };
}

/** The whole body as text. */
export async function textOf(answer: Answer): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of answer.body) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

export interface ServerEvent {
  /** `message` unless the server names it. */
  readonly event: string;
  readonly data: string;
}

/** A body of Server-Sent Events (WHATWG HTML 9.2). Comments are left out. */
export async function* serverEvents(answer: Answer): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let text = '';
  let event = '';
  let data: string[] = [];
  for await (const part of answer.body) {
    text += decoder.decode(part, { stream: true });
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    text = lines.pop()!;
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield { event: event || 'message', data: data.join('\n') };
        event = '';
        data = [];
      } else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
      else if (line.startsWith('event:')) event = line.slice(6).trim();
    }
  }
}
