/** Files of /proc/net as a source: the running kernel's, or crafted ones in a folder. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError } from '../io.js';

/** Not among sysfs's flags: an interface that is up and whose link is, or cannot tell. */
const IFF_RUNNING = 0x40;

export class ProcSource {
  private readonly dir: string;
  /** The running kernel's own files? Then interfaces can be asked for more than the files tell. */
  readonly live: boolean;

  /** @param dir folder of the files (or one that has them in `net/`); '' for /proc/net. @throws CommandError when it is no folder */
  constructor(dir: string) {
    this.live = dir === '' || dir === '/proc' || dir === '/proc/net';
    const folder = dir || '/proc/net';
    if (!existsSync(folder) || !statSync(folder).isDirectory()) throw new CommandError(`${folder}: no such folder`);
    const inner = join(folder, 'net');
    this.dir = !existsSync(join(folder, 'snmp')) && existsSync(inner) && statSync(inner).isDirectory() ? inner : folder;
  }

  /** Text of a file, undefined when there is none. Octets that are no UTF-8 stay as they are in Latin-1. */
  read(name: string): string | undefined {
    try {
      return readFileSync(join(this.dir, name), 'latin1');
    } catch {
      return undefined;
    }
  }

  /** MTU and IFF_ flags of a live interface, undefined without. */
  interfaceInfo(name: string): { mtu: number; flags: number } | undefined {
    const read = (what: string) => readFileSync(join('/sys/class/net', name, what), 'latin1').trim();
    try {
      if (name.includes('/')) return undefined;
      const flags = Number(read('flags'));
      const running = (flags & 1) !== 0 && /^(up|unknown)$/.test(read('operstate'));
      return { mtu: Number(read('mtu')), flags: running ? flags | IFF_RUNNING : flags };
    } catch {
      return undefined;
    }
  }
}
