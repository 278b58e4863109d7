/** The page at /: for a human who opened the port in a browser. No script, nothing to fetch. */
import { type DaemonInfo, STATE_LABELS } from '../prometheus/native.js';
import type { Moment } from '../snapshot.js';
import type { ApiRoute } from './routes.js';

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
const link = (path: string) => `<a href="${escaped(path)}"><code>${escaped(path)}</code></a>`;
const row = (...cells: string[]) => `<tr>${cells.map((c) => `<td>${c}</td>`).join('')}</tr>`;

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}' +
  'table{border-collapse:collapse;margin:.5rem 0 1.5rem}td{padding:.15rem 1.5rem .15rem 0;vertical-align:top}' +
  '@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#16181c}a{color:#8ab4f8}}';

export function indexPage(moment: Moment, doors: readonly string[], routes: readonly ApiRoute[], info: DaemonInfo): string {
  const { snapshot, interfaces, sockets } = moment;
  const head = snapshot.header();
  const states = STATE_LABELS.map((name, i) => ({ name, n: sockets.tcpStates[i] ?? 0 })).filter((s) => s.name && s.n > 0);
  const documents: [string, string][] = [
    ['/metrics', 'Prometheus, native names'],
    ['/metrics/node', "Prometheus, node_exporter's names"],
    ['/openapi.json', 'the REST API as OpenAPI 3.1'],
  ];
  const gets = routes.filter((r) => r.method === 'GET' && !r.path.includes(':'));
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    `<title>tsnetstat</title><style>${STYLE}</style></head><body>`,
    `<h1>tsnetstat ${escaped(info.version)}</h1>`,
    `<p>A userspace TCP/IP stack on ${escaped(interfaces.map((i) => i.name).join(', ') || 'no interface')} (${escaped(info.mode)}).`,
    ` Snapshot ${head.snapshot} of ${head.takenAt}; counting since ${head.startedAt}.</p>`,
    '<h2>TCP now</h2><table>',
    ...(states.length > 0 ? states.map((s) => row(escaped(s.name), String(s.n))) : [row('no connection, no listener')]),
    '</table><h2>Doors</h2><table>',
    ...doors.map((d) => row(escaped(d))),
    '</table><h2>Here</h2><table>',
    ...documents.map(([path, what]) => row(link(path), escaped(what))),
    ...gets.map((r) =>
      row(r.path.endsWith('/trace') ? link(`${r.path}?probe=Tcp.RetransSegs`) : link(r.path), escaped(r.summary)),
    ),
    '</table><p>On the command line: <code>tsnetstat -s</code>, <code>tsnetstat -tan</code>, <code>tsnetstat trace Tcp.RetransSegs</code>.</p>',
    '</body></html>\n',
  ].join('\n');
}
