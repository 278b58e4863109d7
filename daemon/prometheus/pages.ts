/**
 * The two pages that Prometheus scrapes, in two formats each. One snapshot a page; the daemon's own series come behind the native ones. A
 * page is laid out when it is first asked for and when its series have become others; else only numbers are written.
 */
import os from 'node:os';
import type { SnapshotDto } from '../../mib/dto.js';
import type { Moment } from '../snapshot.js';
import type { View } from '../view.js';
import { CONTENT_TYPES, END_MARKS, type Format, formatOf } from './exposition.js';
import { Layout } from './layout.js';
import { type DaemonInfo, layNative } from './native.js';
import { layNode, type UnameInfo } from './node.js';
import { OwnMetrics } from './own.js';
import { type Lease, Page } from './page.js';
import { type MetricsPath, Scrapes } from './scrapes.js';
import { Series } from './series.js';

/** Its bytes are borrowed: release them when they have gone. */
export interface MetricsPage extends Lease {
  readonly contentType: string;
  readonly header: SnapshotDto;
}

/** How long the host's name is taken for what it was. */
const UNAME_KEEP_MS = 1000;

interface Laid {
  readonly page: Page;
  /** Of the series it was laid out for. */
  readonly generation: number;
}

export class MetricsPages {
  private readonly view: View;
  private readonly info: DaemonInfo;
  private uname: UnameInfo;
  private unameAskedMs: number;
  private readonly nowMs: () => number;
  private readonly own: OwnMetrics;
  private readonly scrapes = new Scrapes();
  private readonly series = new Series();
  private readonly laid: Record<Format, Map<MetricsPath, Laid>> = { text: new Map(), openmetrics: new Map() };
  /** What the last request's Accept was, which the next one's mostly is too. */
  private accept: string | undefined;
  private format = formatOf(undefined);

  /** @param nowMs a monotonic clock, for durations */
  constructor(view: View, info: DaemonInfo, nowMs: () => number = () => performance.now()) {
    this.view = view;
    this.info = info;
    this.uname = unameOf(info);
    this.nowMs = nowMs;
    this.unameAskedMs = nowMs();
    this.own = new OwnMetrics(nowMs);
  }

  /** @param accept the request's Accept header, which decides the format */
  async page(path: MetricsPath, accept: string | undefined): Promise<MetricsPage> {
    const began = this.nowMs();
    const format = this.formatFor(accept);
    const tail = path === '/metrics' ? await this.own.text(format) : '';
    const moment = this.view.latest() ?? (await this.view.moment());
    // from here to the lease nothing is waited for: the page is this moment's
    this.lookAtUname(began);
    const page = this.pageFor(path, format, moment);
    page.fill(moment, tail, this.nowMs);
    const { bytes, release } = page.lend();
    this.scrapes.scraped(path, moment.snapshot.consistent, (this.nowMs() - began) / 1000);
    return { bytes, release, contentType: CONTENT_TYPES[format], header: moment.snapshot.header() };
  }

  private formatFor(accept: string | undefined): Format {
    if (accept !== this.accept) {
      this.accept = accept;
      this.format = formatOf(accept);
    }
    return this.format;
  }

  private pageFor(path: MetricsPath, format: Format, moment: Moment): Page {
    this.series.look(moment);
    let laid = this.laid[format].get(path);
    if (laid?.generation !== this.series.generation) {
      laid = { page: this.layOut(path, format), generation: this.series.generation };
      this.laid[format].set(path, laid);
    }
    return laid.page;
  }

  /** A host may be given another name. */
  private lookAtUname(nowMs: number): void {
    if (nowMs - this.unameAskedMs < UNAME_KEEP_MS) return;
    this.unameAskedMs = nowMs;
    if (os.hostname() === this.uname.nodename) return;
    this.uname = unameOf(this.info);
    for (const pages of Object.values(this.laid)) pages.delete('/metrics/node');
  }

  private layOut(path: MetricsPath, format: Format): Page {
    const out = new Layout(format);
    if (path === '/metrics') {
      layNative(out, this.series, this.info);
      this.scrapes.lay(out);
    } else layNode(out, this.series, this.uname);
    return new Page(out, END_MARKS[format]);
  }
}

function unameOf(info: DaemonInfo): UnameInfo {
  return { machine: os.machine(), nodename: os.hostname(), release: info.version, version: `Node ${process.version}` };
}
