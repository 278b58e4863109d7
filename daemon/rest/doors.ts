/**
 * Where HTTP comes in: the unix socket, the host's TCP port, and a port of the userspace stack itself. One node:http server a door, all
 * feeding one application. What a client does wrong below HTTP is answered and the connection closed; nothing it sends stops the daemon.
 */
import { chmodSync, lstatSync, mkdirSync, rmdirSync, statSync, unlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createConnection } from 'node:net';
import { dirname } from 'node:path';
import type { Duplex } from 'node:stream';
import { hostPort } from '../config/schema.js';
import type { DoorKind, RestApp } from './app.js';

const MAX_CONNECTIONS = 512;
/** What a request that is not HTTP is answered; anything else is a bad request. */
const CLIENT_ERRORS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};
/** How long connections through the stack may take to end, ms; what is left then is reset. */
const STACK_CLOSE_MS = 300;

export class DoorError extends Error {
  override readonly name = 'DoorError';
}

function httpServer(app: RestApp, door: DoorKind): Server {
  const server = createServer({ maxHeaderSize: 16384, headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 5_000 });
  server.maxConnections = MAX_CONNECTIONS;
  server.on('request', (request, response) => app.handle(door, request, response));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const status = CLIENT_ERRORS[error.code ?? ''] ?? '400 Bad Request';
    const body = JSON.stringify({ type: 'about:blank', title: status.slice(4), status: Number(status.slice(0, 3)) });
    const head = `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/problem+json\r\ncontent-length: ${body.length}`;
    if (socket.writable) socket.end(`${head}\r\n\r\n${body}`);
    else socket.destroy();
  });
  return server;
}

export interface Door {
  /** As a person would type it: `http://127.0.0.1:9700`. */
  readonly address: string;
  close(): Promise<void>;
}

/** Stops taking connections, ends the idle ones at once and the rest when they are done, or after a second. */
function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => server.closeAllConnections(), 1000);
    server.close(() => {
      clearTimeout(force);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function listening(server: Server, listen: () => void, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'is in use already' : `cannot be listened on: ${error.code ?? error.message}`;
      reject(new DoorError(`${what}: ${why}`));
    });
    server.once('listening', resolve);
    listen();
  });
}

/** @throws DoorError when the port is taken */
export async function openTcpDoor(app: RestApp, host: string, port: number): Promise<Door> {
  const server = httpServer(app, 'tcp');
  await listening(server, () => server.listen({ host, port, exclusive: true }), `http.listen ${hostPort(host, port)}`);
  const at = server.address();
  const bound = typeof at === 'object' && at ? at.port : port;
  return { address: `http://${hostPort(host, bound)}`, close: () => closeServer(server) };
}

/**
 * @param own the folder must be this user's alone: it lies where anybody may make one of that name
 * @throws DoorError when another daemon listens there, or something that is not a socket lies in the way
 */
export async function openUnixDoor(app: RestApp, path: string, own = false): Promise<Door> {
  const folder = dirname(path);
  await removeStale(path);
  const made = makeFolder(folder, path, own);
  const server = httpServer(app, 'unix');
  // changes come in by this door, so it is the owner's alone from its first moment
  const mask = process.umask(0o177);
  try {
    await listening(server, () => server.listen({ path }), `http.socket ${path}`);
  } finally {
    process.umask(mask);
  }
  chmodSync(path, 0o600);
  const close = async () => {
    await closeServer(server);
    if (made) removeFolders(folder, made);
  };
  return { address: `unix:${path}`, close };
}

/** @returns the first folder that had to be made */
function makeFolder(folder: string, path: string, own: boolean): string | undefined {
  try {
    const made = mkdirSync(folder, { recursive: true, mode: own ? 0o700 : 0o755 });
    const { uid, mode } = statSync(folder);
    if (own && (uid !== process.getuid?.() || (mode & 0o022) !== 0))
      throw new DoorError(`http.socket ${path}: its folder is not this user's alone`);
    return made;
  } catch (e) {
    if (e instanceof DoorError) throw e;
    throw new DoorError(`http.socket ${path}: ${(e as NodeJS.ErrnoException).code ?? (e as Error).message}`);
  }
}

/** Removes what makeFolder made, from the inside out, as far as it is empty. */
function removeFolders(folder: string, made: string): void {
  try {
    for (let at = folder; at.startsWith(made); at = dirname(at)) rmdirSync(at);
  } catch {
    // somebody else put something there
  }
}

/** A socket file that nobody listens on was left behind by a crash. */
async function removeStale(path: string): Promise<void> {
  let isSocket: boolean;
  try {
    isSocket = lstatSync(path).isSocket();
  } catch {
    return;
  }
  if (!isSocket) throw new DoorError(`http.socket ${path}: a file that is not a socket is in the way`);
  const alive = await new Promise<boolean>((resolve) => {
    const probe = createConnection({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (alive) throw new DoorError(`http.socket ${path}: is in use already (another tsnetstatd?)`);
  unlinkSync(path);
}

/** A listener of the userspace stack: the façade's server. */
export interface StackListener {
  close(done?: () => void): unknown;
}

/** @param listen makes the stack listen and calls back with every connection @throws what `listen` throws */
export async function openStackDoor(
  app: RestApp,
  address: string,
  listen: (onConnection: (stream: Duplex) => void) => Promise<StackListener>,
): Promise<Door> {
  const server = httpServer(app, 'stack');
  const streams = new Set<Duplex>();
  let onEmpty = () => {};
  const listener = await listen((stream) => {
    if (streams.size >= MAX_CONNECTIONS) {
      stream.destroy();
      return;
    }
    streams.add(stream);
    stream.once('close', () => {
      streams.delete(stream);
      if (streams.size === 0) onEmpty();
    });
    stream.on('error', () => stream.destroy()); // a reset is the client's business
    server.emit('connection', stream);
  });
  const close = async () => {
    listener.close();
    server.close();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, STACK_CLOSE_MS);
    });
    const empty = new Promise<void>((resolve) => {
      onEmpty = resolve;
    });
    for (const s of streams) s.end();
    if (streams.size > 0) await Promise.race([empty, late]);
    clearTimeout(timer);
    for (const s of streams) s.destroy();
  };
  return { address, close };
}
