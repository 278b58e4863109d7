/**
 * One fastify application behind all HTTP doors (unix socket, host loopback, the stack's own port 80): routing, validation, errors as
 * problem+json, the token of the TCP door. It never listens itself: doors.ts feeds it.
 */

import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Log } from '../log.js';
import type { DaemonInfo } from '../prometheus/native.js';
import type { MetricsPages } from '../prometheus/pages.js';
import { PATHS } from '../prometheus/scrapes.js';
import type { TracePump } from '../trace/pump.js';
import type { View } from '../view.js';
import { Api } from './api.js';
import { openapiDocument } from './openapi.js';
import { indexPage } from './page.js';
import { PROBLEM_TYPE, Problem } from './problem.js';
import { type ApiRoute, apiRoutes, snapshotHeaders } from './routes.js';

/** The stack's sysctl table: shared memory, so calls take effect at once. */
export interface SysctlAccess {
  names(): readonly string[];
  get(name: string): string | undefined;
  set(name: string, value: string | number): boolean;
}

/** Where a request came in. */
export type DoorKind = 'unix' | 'tcp' | 'stack';

export interface RestOptions {
  readonly view: View;
  readonly pump: TracePump;
  readonly sysctl: SysctlAccess;
  readonly metrics: MetricsPages;
  readonly info: DaemonInfo;
  readonly log: Log;
  /** Bearer token of the TCP door; '' for none. */
  readonly token: string;
  /** Lines of the index page: where the daemon can be reached. */
  doors(): readonly string[];
  stopping(): boolean;
}

export interface RestApp {
  readonly fastify: FastifyInstance;
  /** Answers a request that came in by a door. */
  handle(door: DoorKind, request: IncomingMessage, response: ServerResponse): void;
  close(): Promise<void>;
}

const BODY_LIMIT = 4096;
const NO_PARAMETERS = { type: 'object', additionalProperties: false } as const;
/** An IPv6 4-tuple in full, percent-encoded. */
const MAX_PARAM_LENGTH = 300;

export async function buildRest(options: RestOptions): Promise<RestApp> {
  const doorOf = new WeakMap<IncomingMessage, DoorKind>();
  const app = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH, ignoreTrailingSlash: true },
    exposeHeadRoutes: true,
    // A parameter that is unknown is an error, not something to drop; a word given once is a list of one
    ajv: { customOptions: { removeAdditional: false, coerceTypes: 'array', allErrors: false } },
    frameworkErrors: (error, _request, reply) => {
      const r = reply as unknown as FastifyReply;
      void r
        .status(400)
        .type(PROBLEM_TYPE)
        .send(JSON.stringify(new Problem('bad-parameter', error.message)));
    },
  });
  // DTOs are plain data of the right shape already
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  const routes = apiRoutes(new Api(options.view), options);
  addGuards(app, options, (request) => doorOf.get(request.raw) ?? 'tcp');
  for (const route of routes) {
    app.route({
      method: route.method,
      url: route.path,
      exposeHeadRoute: !route.media?.includes('text/event-stream'), // a stream has no end to measure
      schema: {
        querystring: route.query ?? NO_PARAMETERS,
        ...(route.params ? { params: route.params } : {}),
        ...(route.body ? { body: route.body } : {}),
      },
      handler: (request, reply) => route.handle(request, reply),
    });
  }
  addDocuments(app, options, routes);
  addErrors(app, options.log, routes);
  await app.ready();
  return {
    fastify: app,
    handle(door, request, response) {
      doorOf.set(request, door);
      app.routing(request, response);
    },
    close: () => app.close(),
  };
}

function addGuards(app: FastifyInstance, options: RestOptions, doorOf: (request: FastifyRequest) => DoorKind): void {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const expected = digest(`Bearer ${options.token}`);
  // not async: every request comes by here, and it waits for nothing
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff');
    const door = doorOf(request);
    if (door === 'tcp' && options.token !== '' && !timingSafeEqual(digest(request.headers.authorization ?? ''), expected)) {
      reply.header('www-authenticate', 'Bearer realm="tsnetstat"');
      done(new Problem('unauthorized', 'send authorization: Bearer TOKEN (http.token)'));
    } else if (door !== 'unix' && request.method !== 'GET' && request.method !== 'HEAD' && request.routeOptions.url !== undefined)
      done(new Problem('unix-socket-only', `${request.method} is taken only over the unix socket`));
    else done();
  });
}

function addDocuments(app: FastifyInstance, options: RestOptions, routes: readonly ApiRoute[]): void {
  const document = JSON.stringify(openapiDocument(routes, options.info.version));
  app.get('/openapi.json', async (_request, reply) => {
    snapshotHeaders(reply, (await options.view.snapshot()).header());
    return reply.type('application/json; charset=utf-8').send(document);
  });
  app.get('/', async (_request, reply) => {
    const moment = await options.view.moment();
    snapshotHeaders(reply, moment.snapshot.header());
    reply.header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'");
    return reply.type('text/html; charset=utf-8').send(indexPage(moment, options.doors(), routes, options.info));
  });
  for (const path of PATHS) {
    app.get(path, async (request, reply) => {
      const page = await options.metrics.page(path, request.headers.accept);
      snapshotHeaders(reply, page.header);
      reply.raw.once('close', page.release); // the whole answer has gone, or its client
      return reply.type(page.contentType).send(page.bytes);
    });
  }
}

function addErrors(app: FastifyInstance, log: Log, routes: readonly ApiRoute[]): void {
  const patterns = routes.map((r) => ({ method: r.method, pattern: new RegExp(`^${r.path.replace(/:\w+/g, '[^/]+')}/?$`) }));
  const documents = /^\/(openapi\.json|metrics|metrics\/node)?$/;
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0]!;
    const allowed = new Set<string>(patterns.filter((p) => p.pattern.test(path)).map((p) => p.method));
    if (documents.test(path)) allowed.add('GET');
    const problem =
      allowed.size > 0
        ? new Problem('method-not-allowed', `${request.method} ${path}: only ${[...allowed].join(', ')}`)
        : new Problem('not-found', `${path}: see / for what is here`);
    if (allowed.size > 0) reply.header('allow', [...allowed].join(', '));
    void reply.status(problem.status).type(PROBLEM_TYPE).send(JSON.stringify(problem));
  });
  app.setErrorHandler((error: FastifyError | Problem, request, reply) => {
    const problem = problemOf(error);
    if (problem.status === 500)
      log.error('request failed', { method: request.method, url: request.url, error: error.stack ?? error.message });
    void reply.status(problem.status).type(PROBLEM_TYPE).send(JSON.stringify(problem));
  });
}

function problemOf(error: FastifyError | Problem): Problem {
  if (error instanceof Problem) return error;
  const first = error.validation?.[0];
  if (first) {
    const where = error.validationContext === 'querystring' ? 'query' : (error.validationContext ?? 'request');
    const extra = first.params['additionalProperty'];
    const name = first.instancePath.slice(1).split('/')[0];
    if (typeof extra === 'string') return new Problem('bad-parameter', `${extra}: no such parameter of the ${where}`);
    const allowed = first.params['allowedValues'];
    const words = Array.isArray(allowed) ? `: ${allowed.join(', ')}` : '';
    return new Problem('bad-parameter', `${name || where}: ${first.message ?? 'not valid'}${words}`);
  }
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500)
    return new Problem('bad-parameter', error.message);
  return new Problem('internal', 'see the log of the daemon');
}
