/**
 * Names for addresses, ports, users and networks, from /etc only: hosts, services, protocols, passwd, networks. No DNS: a table must not
 * wait for a resolver, nor tell one whom this host talks to. Files are read when first needed.
 */
import { readFileSync } from 'node:fs';

export interface Names {
  host(address: string): string | undefined;
  /** @param protocol tcp, udp or udplite */
  service(port: number, protocol: string): string | undefined;
  protocol(number: number): string | undefined;
  user(uid: number): string | undefined;
  network(address: string): string | undefined;
}

function lines(file: string): string[][] {
  try {
    return readFileSync(file, 'latin1')
      .split('\n')
      .map((line) => line.replace(/#.*/, '').split(/\s+/).filter(Boolean))
      .filter((words) => words.length > 1);
  } catch {
    return [];
  }
}

/** The first entry of a key counts. */
function first(pairs: [string, string][]): Map<string, string> {
  return new Map(pairs.reverse());
}

export class EtcNames implements Names {
  private readonly etc: string;
  private readonly tables = new Map<string, Map<string, string>>();

  /** @param etc folder of the files */
  constructor(etc = '/etc') {
    this.etc = etc;
  }

  private table(file: string, read: () => [string, string][]): Map<string, string> {
    let table = this.tables.get(file);
    if (!table) this.tables.set(file, (table = first(read())));
    return table;
  }

  host(address: string): string | undefined {
    return this.table('hosts', () => lines(`${this.etc}/hosts`).map((w) => [w[0]!, w[1]!])).get(address);
  }
  service(port: number, protocol: string): string | undefined {
    return this.table('services', () => lines(`${this.etc}/services`).map((w) => [w[1]!, w[0]!])).get(`${port}/${protocol}`);
  }
  protocol(number: number): string | undefined {
    return this.table('protocols', () => lines(`${this.etc}/protocols`).map((w) => [w[1]!, w[0]!])).get(String(number));
  }
  user(uid: number): string | undefined {
    const read = (): [string, string][] => {
      try {
        const users = readFileSync(`${this.etc}/passwd`, 'latin1').split('\n');
        return users.map((line) => line.split(':')).flatMap((w) => (w.length > 2 ? [[w[2]!, w[0]!] as [string, string]] : []));
      } catch {
        return [];
      }
    };
    return this.table('passwd', read).get(String(uid));
  }
  network(address: string): string | undefined {
    return this.table('networks', () => lines(`${this.etc}/networks`).map((w) => [w[1]!, w[0]!])).get(address);
  }
}
