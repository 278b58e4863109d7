/**
 * One datagram in, one datagram or nothing out: message processing for SNMPv1 and SNMPv2c (RFC 3584, RFC 1901), the operations of RFC 3416
 * 4.2 over the virtual view, and the counters of RFC 3418. Read-only: every SET is refused (noAccess; noSuchName to a v1 manager).
 *
 * A request is answered from one reading of the source, so that all its bindings are of one moment. Whatever comes in ends in exactly one of:
 * a response (snmpOutPkts), snmpInASNParseErrs, snmpInBadVersions, snmpInBadCommunityNames, snmpUnknownPDUHandlers, snmpSilentDrops.
 */
import { timingSafeEqual } from 'node:crypto';
import { Pdu, Version } from './check.js';
import { decode, encode, listRoom, messageSize, NO_ERROR_NUMBERS, type Request, type Response } from './codec.js';
import type { SnmpCounter, SnmpCounters } from './counters.js';
import type { Cells } from './object.js';
import { Page } from './page.js';
import type { View, Walk } from './view.js';

/** error-status values used here (RFC 3416 3). */
export const ErrorStatus = Object.freeze({ noError: 0, tooBig: 1, noSuchName: 2, genErr: 5, noAccess: 6 });

/** Largest message any SNMP entity must be able to take (RFC 3417 3.2). */
export const SMALLEST_MAX_SIZE = 484;

export interface DispatcherOptions<R extends Cells> {
  readonly view: View<R>;
  /** A reading of the stack, all of one moment; the one that serves, or a promise of the next. May fail: then the answer is genErr. */
  readonly read: () => R | Promise<R>;
  readonly counters: SnmpCounters;
  /** Communities that may read. */
  readonly communities: readonly string[];
  /** Requests that may wait for readings at once; more are dropped (snmpSilentDrops). */
  readonly maxPending?: number;
  /** Told why an answer is genErr: a defect of the agent or of its source. */
  readonly onFault?: (error: unknown) => void;
}

const NO_BINDINGS = Buffer.alloc(0);

export class Dispatcher<R extends Cells> {
  private readonly options: DispatcherOptions<R>;
  private readonly communities: readonly Uint8Array[];
  private readonly maxPending: number;
  private pending = 0;
  /** Of the request that is being answered. One serves all: nothing is waited for between its first binding and the copy in its message. */
  private readonly page = new Page();
  /** Which of the request's variables is being read, from 1; 0 for none. */
  private variable = 0;

  constructor(options: DispatcherOptions<R>) {
    this.options = options;
    this.communities = options.communities.map((c) => Buffer.from(c));
    this.maxPending = options.maxPending ?? 1024;
  }

  /**
   * The answer, or a promise of it where a reading must be waited for. Null: nothing is to be sent. Neither throws nor rejects.
   * @param limit octets of the largest response
   */
  handle(datagram: Uint8Array, limit: number): Uint8Array | null | Promise<Uint8Array | null> {
    const request = this.accept(datagram);
    if (!request) return null;
    if (request.pdu === Pdu.set) {
      this.countRequest(request);
      return this.send(request, this.refuseSet(request), limit);
    }
    const reading = this.read();
    const waits = reading instanceof Promise;
    if (waits && this.pending >= this.maxPending) {
      this.options.counters.inc('snmpSilentDrops');
      return null;
    }
    this.countRequest(request);
    // a walk is many requests within one moment: most find its reading
    return waits ? this.answerLater(request, reading, limit) : this.send(request, this.answer(request, reading, limit), limit);
  }

  /** A source that fails at once fails like one that fails later. */
  private read(): R | Promise<R> {
    try {
      return this.options.read();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  private async answerLater(request: Request, pending: Promise<R>, limit: number): Promise<Uint8Array | null> {
    this.pending++;
    let reading: R;
    try {
      reading = await pending;
    } catch (error) {
      this.options.onFault?.(error);
      return this.send(request, failure(ErrorStatus.genErr, Math.min(1, request.names.length)), limit);
    } finally {
      this.pending--;
    }
    return this.send(request, this.answer(request, reading, limit), limit);
  }

  /** Decodes and counts what came. Null: not to be answered, and counted as what it was. */
  private accept(datagram: Uint8Array): Request | null {
    const { counters } = this.options;
    counters.inc('snmpInPkts');
    const decoded = decode(datagram);
    switch (decoded.verdict) {
      case 'malformed':
        counters.inc('snmpInASNParseErrs');
        return null;
      case 'bad version':
        counters.inc('snmpInBadVersions');
        return null;
      case 'unhandled':
        counters.inc('snmpUnknownPDUHandlers');
        return null;
      case 'request':
        break;
    }
    const { request } = decoded;
    if (!this.mayRead(request.community)) {
      counters.inc('snmpInBadCommunityNames');
      return null;
    }
    return request;
  }

  private mayRead(community: Uint8Array): boolean {
    let match = false;
    for (const c of this.communities) if (c.length === community.length && timingSafeEqual(c, community)) match = true;
    return match;
  }

  /** The answer. Its bindings are the page's: it is to be sent before another is made. */
  private answer(request: Request, reading: R, limit: number): Response {
    this.page.begin(listRoom(request, limit));
    this.variable = 0;
    try {
      switch (request.pdu) {
        case Pdu.get:
        case Pdu.getNext:
          return this.each(request, reading);
        default:
          return this.getBulk(request, reading);
      }
    } catch (error) {
      this.options.onFault?.(error);
      return failure(ErrorStatus.genErr, this.variable);
    }
  }

  private countRequest(request: Request): void {
    const { counters } = this.options;
    if (request.pdu === Pdu.get) counters.inc('snmpInGetRequests');
    else if (request.pdu === Pdu.getNext) counters.inc('snmpInGetNexts');
    else if (request.pdu === Pdu.set) counters.inc('snmpInSetRequests');
    // RFC 3418 has no counter for GETBULK.
  }

  /** RFC 3416 4.2.5 (1): no community may write anything. A SET of nothing succeeds. */
  private refuseSet(request: Request): Response {
    if (request.names.length === 0) return { errorStatus: ErrorStatus.noError, errorIndex: 0, varBinds: NO_BINDINGS };
    this.options.counters.inc('snmpInBadCommunityUses');
    return failure(request.version === Version.v1 ? ErrorStatus.noSuchName : ErrorStatus.noAccess, 1);
  }

  /**
   * GET (RFC 3416 4.2.1) and GETNEXT (4.2.2): one binding for each name, all or none: what will not fit is not read to its end, however many
   * names a datagram holds. For v1 a name without a value fails the request (RFC 3584 4.2).
   */
  private each(request: Request, reading: R): Response {
    const { view } = this.options;
    const { page } = this;
    const v1 = request.version === Version.v1;
    for (const key of request.names) {
      this.variable++;
      const found = request.pdu === Pdu.get ? view.get(key, reading, v1, page) : view.walkFrom(key, reading, v1).next(page);
      if (v1 && !found) return failure(ErrorStatus.noSuchName, this.variable);
      if (page.full) return tooBig(request);
    }
    return { errorStatus: ErrorStatus.noError, errorIndex: 0, varBinds: page.contents };
  }

  /** RFC 3416 4.2.3: as many bindings as fit; a repetition in which every walk has ended is the last. */
  private getBulk(request: Request, reading: R): Response {
    const { view } = this.options;
    const { page } = this;
    const { names } = request;
    const nonRepeaters = Math.min(Math.max(request.nonRepeaters, 0), names.length);
    const repetitions = Math.max(request.maxRepetitions, 0);
    for (let i = 0; i < nonRepeaters && !page.full; i++) {
      this.variable = i + 1;
      view.walkFrom(names[i]!, reading, false).next(page);
    }
    const walks: Walk<R>[] = [];
    for (let i = nonRepeaters; i < names.length && repetitions > 0 && !page.full; i++) {
      this.variable = i + 1;
      walks.push(view.walkFrom(names[i]!, reading, false));
    }
    for (let r = 0; r < repetitions && walks.length > 0 && !page.full; r++) {
      let live = false;
      for (let i = 0; i < walks.length && !page.full; i++) {
        const walk = walks[i]!;
        this.variable = nonRepeaters + i + 1;
        walk.next(page);
        live ||= !walk.ended;
      }
      if (!live) break;
    }
    return { errorStatus: ErrorStatus.noError, errorIndex: 0, varBinds: page.contents };
  }

  /** Holds the answer to the size limit, counts and encodes it. */
  private send(request: Request, answer: Response, limit: number): Uint8Array | null {
    const { counters } = this.options;
    let response = answer;
    if (sizeOf(request, response) > limit) {
      response = tooBig(request);
      if (sizeOf(request, response) > limit) {
        counters.inc('snmpSilentDrops');
        return null;
      }
    }
    const datagram = encode(request, response);
    counters.inc('snmpOutPkts');
    counters.inc('snmpOutGetResponses');
    const failed = statusCounters[response.errorStatus];
    if (failed) counters.inc(failed);
    else if (request.pdu !== Pdu.set) counters.add('snmpInTotalReqVars', this.page.values);
    return datagram;
  }
}

/** The error-status values that RFC 3418 counts. */
const statusCounters: Readonly<Record<number, SnmpCounter>> = {
  [ErrorStatus.tooBig]: 'snmpOutTooBigs',
  [ErrorStatus.noSuchName]: 'snmpOutNoSuchNames',
  [ErrorStatus.genErr]: 'snmpOutGenErrs',
};

/** RFC 3416 4.2.1: a v2 manager gets an empty list, a v1 manager its own back (RFC 1157 4.1.2). */
function tooBig(request: Request): Response {
  const varBinds = request.version === Version.v1 ? 'as in the request' : NO_BINDINGS;
  return { errorStatus: ErrorStatus.tooBig, errorIndex: 0, varBinds };
}

function failure(errorStatus: number, errorIndex: number): Response {
  return { errorStatus, errorIndex, varBinds: 'as in the request' };
}

function sizeOf(request: Request, { errorStatus, varBinds }: Response): number {
  // error-status and error-index of a failure take at most 3 + 5 octets; status values have one octet, an index at most three.
  const numbers = errorStatus === ErrorStatus.noError ? NO_ERROR_NUMBERS : NO_ERROR_NUMBERS + 2;
  return messageSize(request, varBinds === 'as in the request' ? request.list.length : varBinds.length, numbers);
}
