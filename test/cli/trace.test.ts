import { afterEach, describe, expect, it } from 'vitest';
import type { TraceEventDto } from '../../mib/dto.js';
import { cli, type FakeDaemon, fakeDaemon, type Handler } from './harness.js';

let daemon: FakeDaemon | undefined;
afterEach(async () => {
  await daemon?.close();
  daemon = undefined;
});

const EVENT: TraceEventDto = {
  probe: 'Tcp.RetransSegs',
  time: '2026-01-01T15:04:05.123456Z',
  timeUs: 5_123_456,
  increment: 1,
  arg1: 0,
  connection: {
    id: '3.7',
    protocol: 'tcp',
    family: 4,
    local: { address: '10.77.0.2', port: 80 },
    remote: { address: '10.77.0.1', port: 45678 },
    state: 'ESTABLISHED',
  },
  packet: { direction: 'out', device: 'tsn0', length: 1448, flags: 'PA', seq: 1, ack: 2, window: 502 },
};
const LINE =
  '15:04:05.123456 Tcp.RetransSegs +1 3.7 10.77.0.2:80-10.77.0.1:45678 ESTABLISHED out tsn0 len 1448 PA seq 1 ack 2 win 502\n';

/** Sends what it is given as a stream; leaves it open unless told to end. */
function stream(parts: readonly string[], end = false): Handler {
  return (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const part of parts) response.write(part);
    if (end) response.end();
  };
}
const data = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;

async function serve(handler: Handler): Promise<string[]> {
  daemon = await fakeDaemon({ '/api/v1/trace': handler });
  return ['--socket', daemon.socket];
}

describe('tsnetstat trace', () => {
  it('prints one line per event with its connection, and one for a gap', async () => {
    const gap = `event: gap\ndata: {"probe":"Tcp.RetransSegs","lost":3,"events":2}\n\n`;
    const socket = await serve(
      stream([': hello\n\n', data(EVENT), gap, `id: 4\n${data({ ...EVENT, increment: -2, packet: null })}`]),
    );
    const ran = await cli(['trace', 'Tcp.RetransSegs', 'mib:::tcpInErrs', '--count', '2', ...socket]);
    expect(ran).toEqual({
      stdout: `${LINE}gap: 2 events of Tcp.RetransSegs lost (+3)\n15:04:05.123456 Tcp.RetransSegs -2 3.7 10.77.0.2:80-10.77.0.1:45678 ESTABLISHED\n`,
      stderr: '',
      status: 0,
    });
    expect(daemon!.asked).toEqual(['/api/v1/trace?probe=Tcp.RetransSegs&probe=mib%3A%3A%3AtcpInErrs']);
  });

  it('prints the classic line from source to destination', async () => {
    const inward = { ...EVENT, packet: { ...EVENT.packet!, direction: 'in', device: 'eth0' } };
    const socket = await serve(stream([data(inward), data(EVENT)]));
    const { stdout } = await cli(['trace', '--classic', 'tcpmib.RetransSegs', '--count=2', ...socket]);
    expect(stdout).toBe(
      '[eth0]   10.77.0.1:45678 ->   10.77.0.2:80    len: 1448\n[tsn0]   10.77.0.2:80    ->   10.77.0.1:45678 len: 1448\n',
    );
  });

  it('prints JSON lines', async () => {
    const socket = await serve(stream([data(EVENT), 'event: gap\ndata: {"probe":"x","lost":1,"events":1}\n\n', data(EVENT)]));
    const { stdout } = await cli(['trace', '--json', 'Tcp.RetransSegs', '--count=2', ...socket]);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((l) => JSON.parse(l));
    expect(lines).toEqual([EVENT, { gap: { probe: 'x', lost: 1, events: 1 } }, EVENT]);
  });

  it('joins events that come in pieces, with any line ends', async () => {
    const text = `${data(EVENT)}${data(EVENT).replaceAll('\n', '\r\n')}`;
    const socket = await serve(stream([...text]));
    expect((await cli(['trace', 'Tcp.RetransSegs', '--count=2', ...socket])).stdout).toBe(LINE + LINE);
  });

  it('ends quietly on Ctrl-C and when its time is over', async () => {
    const interrupted = new AbortController();
    const socket = await serve(stream([data(EVENT)]));
    const ran = await cli(['trace', 'Tcp.RetransSegs', ...socket], {
      signal: interrupted.signal,
      onOut: () => interrupted.abort(),
    });
    expect(ran).toEqual({ stdout: LINE, stderr: '', status: 0 });
    const timed = await cli(['trace', 'Tcp.RetransSegs', '--duration', '50ms', ...socket]);
    expect([timed.stderr, timed.status]).toEqual(['', 0]);
  });

  it('says so when the daemon ends the trace', async () => {
    const socket = await serve(stream([data(EVENT)], true));
    const ran = await cli(['trace', 'Tcp.RetransSegs', ...socket]);
    expect(ran).toEqual({ stdout: LINE, stderr: 'tsnetstat: the daemon ended the trace\n', status: 1 });
  });

  it.each([
    ['', 'trace needs the name of a probe'],
    ['Tcp.Nonsense', "no probe is called 'Tcp.Nonsense'"],
    ['Tcp.InSegs --count 0', "'0' is no number of events"],
    ['Tcp.InSegs --duration soon', "'soon' is no time"],
    ['Tcp.InSegs --frobnicate', "unknown option '--frobnicate'"],
    ['Tcp.InSegs -z', "unknown option '-z'"],
    ['Tcp.InSegs --classic --json', 'two formats'],
    ['Tcp.InSegs --count', 'count'],
  ])('refuses "%s" in one line', async (args, words) => {
    const ran = await cli(['trace', ...args.split(' ').filter(Boolean)]);
    expect([ran.stdout, ran.status, ran.stderr.split('\n').length]).toEqual(['', 3, 2]);
    expect(ran.stderr).toContain(words);
  });

  it('lists every probe with its names, and explains itself', async () => {
    const { stdout } = await cli(['trace', '--list']);
    expect(stdout).toContain('Tcp.RetransSegs tcpmib.RetransSegs mib:::tcpRetransSegs\n');
    expect(stdout).toContain('tcp:state-change tcp:::state-change\n');
    expect((await cli(['trace', '--help'])).stdout).toContain('--duration');
  });
});
