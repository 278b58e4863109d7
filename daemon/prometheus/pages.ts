/** The two pages that Prometheus scrapes. One snapshot a page; the daemon's own series come behind the native ones. */
import os from 'node:os';
import type { SnapshotDto } from '../../mib/dto.js';
import type { View } from '../view.js';
import { CONTENT_TYPES, Exposition, formatOf } from './exposition.js';
import { type DaemonInfo, writeNative } from './native.js';
import { writeNode } from './node.js';
import { OwnMetrics } from './own.js';

export interface MetricsPage {
  readonly text: string;
  readonly contentType: string;
  readonly header: SnapshotDto;
}

export class MetricsPages {
  private readonly view: View;
  private readonly info: DaemonInfo;
  private readonly own = new OwnMetrics();

  constructor(view: View, info: DaemonInfo) {
    this.view = view;
    this.info = info;
  }

  /** @param accept the request's Accept header, which decides the format */
  async page(path: '/metrics' | '/metrics/node', accept: string | undefined): Promise<MetricsPage> {
    const began = performance.now();
    const moment = await this.view.moment();
    const out = new Exposition(formatOf(accept));
    if (path === '/metrics') {
      writeNative(out, moment, this.info);
      await this.own.write(out);
    } else {
      const uname = {
        machine: os.machine(),
        nodename: os.hostname(),
        release: this.info.version,
        version: `Node ${process.version}`,
      };
      writeNode(out, moment, uname, () => performance.now());
    }
    const page = { text: out.end(), contentType: CONTENT_TYPES[out.format], header: moment.snapshot.header() };
    this.own.scraped(path, moment.snapshot.consistent, (performance.now() - began) / 1000);
    return page;
  }
}
