import { describe, expect, it } from 'vitest';
import { View } from '../../daemon/view.js';
import { Tcp } from '../../mib/catalogue/index.js';
import { madeUpStack } from './made-up-stack.js';

describe('view', () => {
  it('shares one snapshot between all who ask while it is taken and for cacheMs after', async () => {
    const { stack } = madeUpStack();
    let now = 0;
    const view = new View(stack, { cacheMs: 20, timeoutMs: 1000, nowMs: () => now });
    const [a, b] = await Promise.all([view.snapshot(), view.snapshot()]);
    expect(a).toBe(b);
    now = 19;
    expect(await view.snapshot()).toBe(a);
    expect(stack.wakes).toBe(1);
    now = 20;
    const c = await view.snapshot();
    expect(c.id).toBeGreaterThan(a.id);
    expect(stack.wakes).toBe(2);
  });

  it('shows the live cells, marked, when the stack is silent', async () => {
    const { stack } = madeUpStack();
    stack.answers = false;
    const view = new View(stack, { cacheMs: 0, timeoutMs: 10 });
    const snapshot = await view.snapshot();
    expect(snapshot.consistent).toBe(false);
    expect(snapshot.value(Tcp.InSegs)).toBe(stack.ledger.cells[Tcp.InSegs]);
    stack.answers = true;
    expect((await view.snapshot()).consistent).toBe(true);
  });

  it('shows the tables it knew last when the stack is silent', async () => {
    const { stack } = madeUpStack();
    const view = new View(stack, {
      cacheMs: 0,
      timeoutMs: 20,
      nowMs: (() => {
        let t = 0;
        return () => (t += 1000);
      })(),
    });
    expect([(await view.devices()).length, (await view.routes()).length]).toEqual([2, 2]);
    stack.answers = false;
    const never = () => new Promise<never>(() => {});
    Object.assign(stack, { devices: never, routes: never, neighbours: never });
    const { snapshot, interfaces } = await view.moment();
    expect([snapshot.consistent, interfaces.length]).toEqual([false, 2]);
    expect([(await view.routes()).length, (await view.neighbours()).length]).toEqual([2, 0]);
  });

  it('gives the same tables while they say the same, so that what was made of them holds', async () => {
    const { stack } = madeUpStack();
    let now = 0;
    const view = new View(stack, { cacheMs: 0, timeoutMs: 1000, nowMs: () => (now += 2000) });
    const [before, routes, neighbours] = [(await view.moment()).devices, await view.routes(), await view.neighbours()];
    expect((await view.moment()).devices).toBe(before);
    expect(await view.routes()).toBe(routes);
    expect(await view.neighbours()).toBe(neighbours);
    stack.identities[0] = { ...stack.identities[0]!, mtu: 1280 };
    const after = await view.moment();
    expect(after.devices).not.toBe(before);
    expect(after.interfaces[0]!.mtu).toBe(1280);
    stack.routeTable = stack.routeTable.slice(1);
    expect(await view.routes()).not.toBe(routes);
  });

  it('passes an error on and asks again afterwards', async () => {
    const { stack } = madeUpStack();
    const devices = stack.devices.bind(stack);
    stack.devices = () => Promise.reject(new Error('no'));
    const view = new View(stack, { cacheMs: 1000, timeoutMs: 1000 });
    await expect(view.moment()).rejects.toThrow('no');
    stack.devices = devices;
    expect((await view.moment()).interfaces).toHaveLength(2);
  });

  it('counts rows by what they are, and their queues', async () => {
    const { stack } = madeUpStack();
    const { sockets, rows, interfaces } = await new View(stack, { cacheMs: 0, timeoutMs: 1000 }).moment();
    expect(sockets).toMatchObject({
      tcp4: 3,
      tcp6: 0,
      udp4: 1,
      ping: 0,
      tcpReceiveQueue: 100,
      tcpSendQueue: 2000,
      tcpPages: 0,
      udp4ReceiveQueue: 30,
    });
    expect(sockets.tcpStates).toEqual([0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0]);
    expect(rows).toEqual({ used: 5, max: 64, exhausted: 0 });
    expect(interfaces.map((i) => [i.name, i.counters['rxBytes'], i.counters['txBroadcast']])).toEqual([
      ['lo', 1000, 1020],
      ['tsn0', 2000, 2020],
    ]);
  });
});
