/** Errors as application/problem+json (RFC 9457). */
import type { ProblemDto } from '../../mib/dto.js';

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** Kinds of problem that say more than their HTTP status. Their `type` is a URN: nothing is to be fetched. */
const kinds = {
  'unknown-group': [400, 'No such group of counters'],
  'unknown-probe': [400, 'No such probe'],
  'bad-parameter': [400, 'The request is not understood'],
  'bad-cursor': [400, 'Not a cursor of this list'],
  unauthorized: [401, 'A bearer token is needed'],
  'unix-socket-only': [403, 'Changes are taken only over the unix socket'],
  'no-connection': [404, 'No such connection'],
  'no-sysctl': [404, 'No such sysctl'],
  'not-found': [404, 'Nothing here'],
  'method-not-allowed': [405, 'Method not allowed'],
  'bad-value': [422, 'The value is not allowed'],
  'too-many-traces': [503, 'Too many traces are running'],
  'stack-silent': [503, 'The stack does not answer'],
  stopping: [503, 'The daemon is stopping'],
  internal: [500, 'The daemon failed'],
} as const satisfies Record<string, readonly [number, string]>;
export type ProblemKind = keyof typeof kinds;

export class Problem extends Error {
  override readonly name = 'Problem';
  readonly kind: ProblemKind;
  readonly status: number;

  constructor(kind: ProblemKind, detail: string) {
    super(detail);
    this.kind = kind;
    this.status = kinds[kind][0];
  }

  toJSON(): ProblemDto {
    return { type: `urn:tsnetstat:problem:${this.kind}`, title: kinds[this.kind][1], status: this.status, detail: this.message };
  }
}
