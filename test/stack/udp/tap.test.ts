/** UDP super-frames over a TAP, both ways, between the kernel's UDP_SEGMENT and UDP_GRO sockets and our services. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LinkFeature } from '../../../stack/link/link.js';
import { Namespace } from '../../support/namespace.js';
import { needs, note } from '../../support/needs.js';

const why = needs.all(needs.tap, needs.netns, needs.tool('python3'));
const program = new URL('./tap-program.ts', import.meta.url);
let ns: Namespace;
function run(kind: string) {
  const r = ns.script(program, [kind], 60_000);
  expect(r.stderr).toBe('');
  return JSON.parse(r.stdout);
}
/** What the echo service moves for so many octets in so many datagrams that came in so many packets. */
const echoed = (octets: number, datagrams: number, packets: number) => ({
  'Ip.InReceives': packets,
  'Ip.InDelivers': packets,
  'Ip.OutRequests': packets,
  'Ip.OutTransmits': packets,
  'Udp.InDatagrams': packets,
  'Udp.OutDatagrams': packets,
  'IpExt.InOctets': octets + 28 * packets,
  'IpExt.OutOctets': octets + 28 * packets,
  'IpExt.InNoECTPkts': datagrams,
});

describe.skipIf(why)(`UDP over a TAP${note(why)}`, () => {
  beforeAll(() => {
    ns = new Namespace('tsn-udp');
  });
  afterAll(() => ns?.remove());

  it('takes and sends super-frames where the kernel grants them, and nothing is lost', () => {
    const r = run('offloads');
    const uso = LinkFeature.uso4 | LinkFeature.uso6;
    if ((r.features & uso) !== uso) return; // before Linux 6.2: the test below is what happens
    expect(r.echo.client).toEqual({ same: true, came: 40_500, reads: 1, told: [1000], error: '' });
    expect(r.echo.moved).toEqual(echoed(40_500, 41, 1));
    // an IP packet of 65535 octets is more than a device takes (gso_max_size): either side cuts it in software
    expect(r.largest.client).toMatchObject({ same: true, came: 65_507, reads: 45 });
    expect(r.largest.moved).toEqual(echoed(65_507, 45, 45));
    expect(r.daytime.client).toMatchObject({ reads: 3, error: '' });
    expect(r.daytime.moved).toMatchObject({
      'Ip.InReceives': 1,
      'Udp.InDatagrams': 3,
      'Udp.OutDatagrams': 3,
      'IpExt.InNoECTPkts': 3,
    });
    expect(r.refused.client.error).toBe('ConnectionRefusedError');
    expect(r.refused.moved).toMatchObject({ 'Ip.InReceives': 1, 'Udp.NoPorts': 1, 'Icmp.OutMsgs': 1, 'IpExt.InNoECTPkts': 3 });
    expect(r.discard.client).toMatchObject({ came: 0, after: { same: true } });
    expect(r.discard.moved).toMatchObject({ 'Udp.InDatagrams': 2, 'Udp.OutDatagrams': 1, 'IpExt.InNoECTPkts': 41 });
  });

  it('does the same with frames of wire size', () => {
    const r = run('plain');
    expect(r.features).toBe(0);
    expect(r.echo.client).toEqual({ same: true, came: 40_500, reads: 41, told: [], error: '' });
    expect(r.echo.moved).toEqual(echoed(40_500, 41, 41));
    expect(r.largest.moved).toEqual(echoed(65_507, 45, 45));
    expect(r.daytime.moved).toMatchObject({ 'Ip.InReceives': 3, 'Udp.InDatagrams': 3, 'Udp.OutDatagrams': 3 });
    expect(r.refused.moved).toMatchObject({ 'Udp.NoPorts': 3, 'Icmp.OutMsgs': 3 });
    expect(r.discard.moved).toMatchObject({ 'Udp.InDatagrams': 41, 'Udp.OutDatagrams': 1 });
  });
});
