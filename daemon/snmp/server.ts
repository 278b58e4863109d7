/** The SNMP door of the daemon: one dispatcher, its counters, and the transports it answers on. */
import { openCodec } from './codec.js';
import { SnmpCounters } from './counters.js';
import { Dispatcher, SMALLEST_MAX_SIZE } from './dispatcher.js';
import { mibView } from './mib-view.js';
import type { SystemConfig } from './objects/system.js';
import type { SnmpSource } from './source.js';
import type { SnmpTransport } from './transport.js';

export interface SnmpConfig extends SystemConfig {
  /** Communities that may read; 1 to 255 octets each. */
  readonly communities: readonly string[];
  /** Octets of the largest response, 484 to 65507, where the transport would take more. */
  readonly maxMessageSize?: number;
}

/** What one UDP datagram over IPv4 can carry. */
const LARGEST_UDP_PAYLOAD = 65507;
const DISPLAY_STRING_OCTETS = 255;
const MOST_FAULTS = 20;

export interface SnmpOptions {
  readonly source: SnmpSource;
  readonly config: SnmpConfig;
  readonly transports: readonly SnmpTransport[];
  /** Told once of each kind of defect that makes an answer genErr. */
  readonly onFault?: (error: Error) => void;
}

export interface SnmpServer {
  readonly counters: SnmpCounters;
  /** Answers on one more transport, e.g. when the stack has come up. */
  listen(transport: SnmpTransport): void;
  /** Closes all transports; requests being worked on are no longer answered. */
  close(): Promise<void>;
}

/** A setting the agent cannot work with. */
export class SnmpConfigError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SnmpConfigError';
  }
}

/** Starts the agent. Throws SnmpConfigError, or CodecError when the codec package is not the pinned one. */
export function startSnmp(options: SnmpOptions): SnmpServer {
  const { config, source } = options;
  validate(config);
  openCodec();
  const counters = new SnmpCounters();
  const dispatcher = new Dispatcher({
    view: mibView(config, counters),
    read: () => source.read(),
    counters,
    communities: config.communities,
    ...(options.onFault ? { onFault: onceEach(options.onFault) } : {}),
  });
  const transports: SnmpTransport[] = [];
  const listen = (transport: SnmpTransport) => {
    transports.push(transport);
    const maxMessageSize = Math.min(transport.maxMessageSize, config.maxMessageSize ?? LARGEST_UDP_PAYLOAD);
    transport.onMessage((datagram, reply) => {
      const answer = dispatcher.handle(datagram, maxMessageSize);
      if (answer instanceof Promise) void answer.then((later) => later && reply(later));
      else if (answer) reply(answer);
    });
  };
  for (const transport of options.transports) listen(transport);
  return {
    counters,
    listen,
    async close() {
      await Promise.all(transports.map((t) => t.close()));
    },
  };
}

/** A manager asks again and again: what it cannot be told is said once by message. */
function onceEach(tell: (error: Error) => void): (error: unknown) => void {
  const told = new Set<string>();
  return (thrown) => {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    if (told.has(error.message) || told.size >= MOST_FAULTS) return;
    told.add(error.message);
    tell(error);
  };
}

function validate(config: SnmpConfig): void {
  const size = config.maxMessageSize ?? LARGEST_UDP_PAYLOAD;
  if (!Number.isInteger(size) || size < SMALLEST_MAX_SIZE || size > LARGEST_UDP_PAYLOAD) {
    throw new SnmpConfigError(`SNMP: maxMessageSize must be ${SMALLEST_MAX_SIZE} to ${LARGEST_UDP_PAYLOAD}, not ${size}`);
  }
  for (const community of config.communities) {
    const octets = Buffer.byteLength(community);
    if (octets < 1 || octets > 255) throw new SnmpConfigError('SNMP: a community has 1 to 255 octets');
  }
  for (const name of ['sysDescr', 'sysContact', 'sysName', 'sysLocation'] as const) {
    if (Buffer.byteLength(config[name]) > DISPLAY_STRING_OCTETS)
      throw new SnmpConfigError(`SNMP: ${name} is longer than 255 octets`);
  }
}
