/** The OpenAPI 3.1 document, made from the route table: JSON Schema is its schema language, so TypeBox schemas go in as they are. */
import type { TSchema } from 'typebox';
import type { ApiRoute } from './routes.js';
import { ProblemSchema } from './schemas.js';

interface ObjectSchema {
  readonly properties?: Record<string, TSchema & { description?: string }>;
  readonly required?: readonly string[];
}

function parameters(schema: TSchema | undefined, where: 'query' | 'path'): object[] {
  const { properties = {}, required = [] } = (schema ?? {}) as ObjectSchema;
  return Object.entries(properties).map(([name, s]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    description: s.description ?? '',
    schema: s,
    ...(s && 'items' in s ? { style: 'form', explode: true } : {}),
  }));
}

const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
});
const REASONS: Readonly<Record<number, string>> = {
  400: 'a parameter means nothing',
  403: 'only over the unix socket',
  404: 'no such thing',
  422: 'the value is not allowed',
  503: 'not now',
};

function operation(route: ApiRoute): object {
  const content: Record<string, object> = {};
  if (route.answer) content['application/json'] = { schema: route.answer };
  for (const media of route.media ?? []) content[media] = { schema: { type: 'string' } };
  const takes = route.query || route.params || route.body;
  const statuses = [...(takes ? [400] : []), ...(route.problems ?? [])];
  return {
    summary: route.summary,
    operationId: `${route.method.toLowerCase()} ${route.path}`.replace(/\W+(\w)?/g, (_, c: string | undefined) =>
      (c ?? '').toUpperCase(),
    ),
    parameters: [...parameters(route.params, 'path'), ...parameters(route.query, 'query')],
    ...(route.body ? { requestBody: { required: true, content: { 'application/json': { schema: route.body } } } } : {}),
    responses: {
      200: { description: route.summary, content },
      ...Object.fromEntries(statuses.map((s) => [s, problem(REASONS[s] ?? '')])),
    },
  };
}

export function openapiDocument(routes: readonly ApiRoute[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    (paths[path] ??= {})[route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'tsnetstat',
      version,
      description: 'Counters of a userspace TCP/IP stack, and whose they are. Every answer names the snapshot it was made from.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    paths,
    components: {
      schemas: { Problem: ProblemSchema },
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'only when http.token is set' } },
    },
  };
}
