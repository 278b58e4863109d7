/** What several stacks of a host share of multicast groups and of addresses: who is in, what the speaker is told, what the others read. */
import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../stack/core/address.js';
import { type HostAddress, HostAddresses } from '../../../stack/core/host-addresses.js';
import { HostGroups } from '../../../stack/core/host-groups.js';
import { SeededRandom } from '../../../stack/core/random.js';

const g4 = (n: number) => IpAddress.v4(0xe8000000 + n);
const g6 = (n: number) => new IpAddress(6, 0xff050000, 0, 0, n);
const has = (h: HostGroups, device: number, g: IpAddress) => h.isMember(device, g.w0, g.w1, g.w2, g.w3);

describe('groups', () => {
  it('are the host’s from the first member to the last, on their device', () => {
    const memory = HostGroups.memory();
    const [a, b] = [new HostGroups(memory), new HostGroups(memory)];
    expect([a.join(2, g6(1)), b.join(2, g6(1)), b.join(3, g6(1)), b.join(2, g4(1))]).toEqual([true, false, true, true]);
    expect([has(a, 2, g4(1)), has(a, 3, g4(1)), has(b, 2, g6(1)), has(b, 2, g6(2))]).toEqual([true, false, true, false]);
    expect([a.list(2, 6), a.list(2, 4)].map((l) => l.map(String))).toEqual([['ff05::1'], ['232.0.0.1']]);
    expect([a.leave(2, g6(1)), has(a, 2, g6(1)), b.leave(2, g6(1)), has(a, 2, g6(1)), b.leave(2, g6(1))]).toEqual([
      false,
      true,
      true,
      false,
      false,
    ]);
  });

  it('that have come and gone are told once, and only what is left of both', () => {
    const memory = HostGroups.memory();
    const [speaker, other] = [new HostGroups(memory), new HostGroups(memory)];
    const told: string[] = [];
    const changes = () => {
      speaker.changes(({ device, group }, joined) => told.push(`${joined ? '+' : '-'}${group} ${device}`));
      return told.splice(0);
    };
    expect(speaker.moved).toBe(false);
    other.join(2, g6(1));
    speaker.join(2, g4(7));
    other.join(2, g6(2));
    other.leave(2, g6(2));
    expect(speaker.moved).toBe(true);
    expect(changes()).toEqual(['+ff05::1 2', '+232.0.0.7 2']);
    expect([speaker.moved, changes()]).toEqual([false, []]);
    other.leave(2, g6(1));
    expect(changes()).toEqual(['-ff05::1 2']);
  });

  it('use the places of those that are gone, and stay right under any order of joining and leaving', () => {
    const memory = HostGroups.memory();
    const stacks = Array.from({ length: 3 }, () => new HostGroups(memory));
    const random = new SeededRandom(3);
    const members = new Map<string, number>();
    for (let n = 0; n < 20_000; n++) {
      const stack = stacks[random.u32() % 3]!;
      const at = random.u32() % 600;
      const g = at % 2 ? g4(at) : g6(at);
      const there = members.get(g.toString()) ?? 0;
      if (there > 0 && random.u32() % 2 === 0) {
        expect(stack.leave(2, g)).toBe(there === 1);
        members.set(g.toString(), there - 1);
      } else if (there > 0 || [...members.values()].filter((x) => x > 0).length < 500) {
        expect(stack.join(2, g)).toBe(there === 0);
        members.set(g.toString(), there + 1);
      }
    }
    for (let at = 0; at < 600; at++) {
      const g = at % 2 ? g4(at) : g6(at);
      expect(has(stacks[0]!, 2, g)).toBe((members.get(g.toString()) ?? 0) > 0);
    }
  });

  it('without a place are not the host’s', () => {
    const h = new HostGroups(HostGroups.memory());
    for (let n = 0; n < 512; n++) h.join(2, g6(n + 1));
    h.join(2, g4(1));
    expect([has(h, 2, g6(512)), has(h, 2, g4(1)), h.leave(2, g4(1))]).toEqual([true, false, false]);
    h.leave(2, g6(5));
    h.join(2, g4(1));
    expect(has(h, 2, g4(1))).toBe(true);
  });
});

describe('addresses', () => {
  const some = (n: number): HostAddress[] =>
    Array.from({ length: n }, (_, i) => ({ device: 2, address: g6(i), prefix: 64, origin: i % 3, state: 1 }));

  it('are read as they were written, once for each change', () => {
    const memory = HostAddresses.memory();
    const [speaker, other] = [new HostAddresses(memory), new HostAddresses(memory)];
    expect(other.moved).toBe(false);
    speaker.write(some(3));
    expect([speaker.moved, other.moved]).toEqual([false, true]);
    expect(other.read()).toEqual(some(3));
    expect(other.moved).toBe(false);
    speaker.write(some(1));
    expect(other.read()).toEqual(some(1));
  });

  it('are not read while they are being written', () => {
    const memory = HostAddresses.memory();
    const [speaker, other] = [new HostAddresses(memory), new HostAddresses(memory)];
    speaker.write(some(2));
    Atomics.add(new Int32Array(memory), 0, 1);
    expect([other.read(), other.moved]).toEqual([null, true]);
    Atomics.add(new Int32Array(memory), 0, 1);
    expect(other.read()).toEqual(some(2));
  });

  it('beyond the end of the list stay the speaker’s', () => {
    const memory = HostAddresses.memory();
    new HostAddresses(memory).write(some(200));
    expect(new HostAddresses(memory).read()).toEqual(some(128));
  });
});
