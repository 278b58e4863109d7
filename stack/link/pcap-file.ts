/** A pcap sink that writes to a file, synchronously: a crash loses nothing that was written before. */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { PcapSink } from './pcap.js';

export class PcapFile {
  private fd: number;
  /** To be given to `PcapLink`. */
  readonly sink: PcapSink;

  /** Creates or truncates the file. Throws what node:fs throws when it cannot. */
  constructor(path: string) {
    this.fd = openSync(path, 'w');
    this.sink = (bytes) => {
      if (this.fd >= 0) writeSync(this.fd, bytes);
    };
  }

  close(): void {
    if (this.fd < 0) return;
    closeSync(this.fd);
    this.fd = -1;
  }
}
