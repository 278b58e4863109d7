/** Run by tap.test.ts inside a namespace of its own: a stack on a TAP, and the kernel's UDP sockets as its peer. Prints what came of it as JSON. */
import { spawn } from 'node:child_process';
import { CELLS, cellName } from '../../../mib/catalogue/index.js';
import { LedgerReader } from '../../../mib/ledger/reader.js';
import type { StackConfig } from '../../../stack/worker/config.js';
import { StackHost } from '../../../stack/worker/host.js';

/** `offloads` or `plain`. */
const offloads = process.argv[2] !== 'plain';
const config: StackConfig = {
  mode: 'tap',
  tap: { name: 'tsnu0', attach: false, hostAddress: '10.77.0.1/24' },
  mac: '02:00:0a:4d:00:02',
  addresses: ['10.77.0.2/24'],
  gateway: '10.77.0.1',
  offloads,
  coalesce: false,
  maxRows: 64,
  services: ['echo', 'discard', 'daytime'],
  seed: 1,
  pcap: '',
};

/** Node has no UDP_SEGMENT. Sends `n` octets in datagrams of `size`, and reads until `answers` octets have come or a second has passed. */
const client = `
import hashlib, json, os, socket, sys
port, n, size, answers = map(int, sys.argv[1:])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
s.setsockopt(17, 103, size)
s.setsockopt(17, 104, 1)
s.settimeout(1)
s.connect(('10.77.0.2', port))
data = os.urandom(n)
s.send(data)
came, reads, told, error = b'', 0, [], ''
try:
    while len(came) < answers:
        part, control, _, _ = s.recvmsg(70000, 64)
        came += part
        reads += 1
        told += [int.from_bytes(v[:2], sys.byteorder) for level, kind, v in control if (level, kind) == (17, 104)]
except OSError as e:
    error = type(e).__name__
print(json.dumps({'same': came == data, 'came': len(came), 'reads': reads, 'told': told, 'error': error}))
`;

function ask(port: number, n: number, size: number, answers: number): Promise<Record<string, unknown>> {
  const p = spawn('python3', ['-c', client, ...[port, n, size, answers].map(String)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  p.stdout.on('data', (d) => {
    out += String(d);
  });
  return new Promise((resolve) => p.on('close', () => resolve(JSON.parse(out))));
}

const host = await StackHost.start(config);
const reader = new LedgerReader(host.memory);
const wake = { wake: () => host.wake(), timeoutMs: 10_000 };
async function counted(act: () => Promise<Record<string, unknown>>) {
  const before = (await reader.snapshot(wake)).cells;
  const client = await act();
  const after = (await reader.snapshot(wake)).cells;
  const moved: Record<string, number> = {};
  for (let id = 0; id < CELLS; id++) if (after[id] !== before[id]) moved[cellName(id)] = after[id]! - before[id]!;
  return { client, moved };
}

const echo = await counted(() => ask(7, 40_500, 1000, 40_500));
const largest = await counted(() => ask(7, 65_507, 1472, 65_507));
const daytime = await counted(() => ask(13, 30, 10, 3 * 40));
const refused = await counted(() => ask(5555, 3000, 1000, 1));
const discard = await counted(async () => {
  const silent = await ask(9, 20_000, 500, 1);
  return { ...silent, after: await ask(7, 1, 1, 1) };
});
console.log(JSON.stringify({ features: host.features, echo, largest, daytime, refused, discard }));
await host.stop();
