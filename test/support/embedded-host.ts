/** A stack on a thread of its own, for tests of what sits above it: embedded mode, whose second host these tests leave alone. */
import { once } from 'node:events';
import type { StackConfig } from '../../stack/worker/config.js';
import { StackHost } from '../../stack/worker/host.js';

/** The stack's own address: what goes there stays on its loopback device, where nothing is lost. */
export const OWN = '10.77.0.2';

export const embeddedConfig: StackConfig = {
  mode: 'embedded',
  mac: '02:00:0a:4d:00:02',
  addresses: [`${OWN}/24`],
  gateway: '10.77.0.1',
  offloads: false,
  maxRows: 4096,
  services: ['echo', 'discard', 'daytime', 'chargen'],
  seed: 7,
  pcap: '',
};

export function startEmbedded(change: Partial<StackConfig> = {}): Promise<StackHost> {
  return StackHost.start({ ...embeddedConfig, ...change });
}

/** The arguments of the next such event; rejects on 'error'. */
export async function next<T extends unknown[]>(emitter: NodeJS.EventEmitter, event: string): Promise<T> {
  return (await once(emitter, event)) as T;
}
