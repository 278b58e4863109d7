/**
 * SO_REUSEPORT's groups: sockets bound to one address and port that asked for it, in the order in which they came; who leaves is replaced by the
 * last. A classic BPF program of the group (SO_ATTACH_REUSEPORT_CBPF) says by number which of them a packet is for, looking at the payload; a
 * number that nobody has leaves it to the flow's hash.
 */
import { Errno } from '../core/errno.js';
import type { Packet } from '../core/packet.js';
import type { Random } from '../core/random.js';
import { SocketFilter } from './filter.js';
import type { Option } from './option.js';
import { type OptionValue, So } from './socket.js';

export class ReuseportGroup<M> {
  readonly members: M[] = [];
  program: SocketFilter | null;

  constructor(program: SocketFilter | null) {
    this.program = program;
  }

  leave(m: M): void {
    const i = this.members.indexOf(m);
    const last = this.members.pop()!;
    if (i >= 0 && i < this.members.length) this.members[i] = last;
  }

  /** Whom the program chooses; null without one and when it says too much. */
  choose(p: Packet, payload: number): M | null {
    return this.program === null ? null : (this.members[this.program.run(p, payload)] ?? null);
  }
}

export interface ReuseportHost<S, M> {
  readonly random: (s: S) => Random;
  readonly asked: (s: S) => boolean;
  /** Its group; null before it has a place in one, `false` when it took a place without. */
  readonly group: (s: S) => ReuseportGroup<M> | null | false;
  /** The program that its group will begin with. */
  readonly early: (s: S) => SocketFilter | null;
  readonly setEarly: (s: S, program: SocketFilter | null) => void;
}

export function reuseportOptions<S, M>(host: ReuseportHost<S, M>): readonly (readonly [number, Option<S>])[] {
  const set = (s: S, program: SocketFilter | null): void => {
    const group = host.group(s);
    if (group) group.program = program;
    else host.setEarly(s, program);
  };
  const attach = (s: S, raw: OptionValue): number => {
    const group = host.group(s);
    if (group === false || (group === null && !host.asked(s))) return -Errno.EINVAL;
    const program = raw instanceof Uint8Array ? SocketFilter.from(raw, host.random(s)) : null;
    if (!program) return -Errno.EINVAL;
    set(s, program);
    return 0;
  };
  const detach = (s: S): number => {
    const group = host.group(s);
    const program = group ? group.program : host.early(s);
    if (program === null) return host.asked(s) ? -Errno.ENOENT : -Errno.EINVAL;
    set(s, null);
    return 0;
  };
  return [
    [So.ATTACH_REUSEPORT_CBPF, { raw: true, set: (s, _v, raw) => attach(s, raw) }],
    [So.DETACH_REUSEPORT_BPF, { set: detach }],
  ];
}
