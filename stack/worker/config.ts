/** What a stack's thread is told when it starts. Plain data: it is posted to the thread. */
export const SERVICE_NAMES = ['echo', 'discard', 'daytime', 'chargen'] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];

export interface TapConfig {
  /** Interface to make, or to attach to. */
  readonly name: string;
  /** It must exist already. */
  readonly attach: boolean;
  /** Address with prefix to give to the kernel's side; null: that side is somebody else's business. */
  readonly hostAddress: string | null;
  /** The same for IPv6; absent: that side is left without. */
  readonly hostAddress6?: string;
}

export interface StackConfig {
  /** `embedded`: no TAP, but a wire in memory with a second host that makes traffic. */
  readonly mode: 'tap' | 'embedded';
  /** Queues of the TAP, each with a stack on a thread of its own; 1 without. The embedded wire has one. */
  readonly queues?: number;
  /** Needed in mode `tap`. */
  readonly tap?: TapConfig;
  readonly mac: string;
  /** Addresses with prefix length: `10.77.0.2/24`. With one of IPv6 among them the stack speaks it. */
  readonly addresses: readonly string[];
  readonly gateway?: string;
  /** The same for IPv6. */
  readonly gateway6?: string;
  /** Use virtio_net_hdr offloads where the kernel grants them; on the wire in memory, super-frames. */
  readonly offloads: boolean;
  /** On a TAP: join received TCP segments, and build super-frames that are cut when they leave (GRO and GSO in software), as Linux does by default. */
  readonly coalesce?: boolean;
  /** Most connections, listeners and endpoints with counters of their own, of each queue. */
  readonly maxRows: number;
  readonly services: readonly ServiceName[];
  /** Of all chance, and of the embedded traffic; 0: from the operating system. */
  readonly seed: number;
  /** File for every frame; empty for none. Further queues write beside it: `FILE.1`, … */
  readonly pcap: string;
  /** Sysctls to set at the start, by name. */
  readonly sysctl?: Readonly<Record<string, string | number>>;
}
