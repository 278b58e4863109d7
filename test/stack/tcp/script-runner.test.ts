/** The interpreter of scripts: what is wrong in a script, or unlike it on the wire, is told with its line. */
import { describe, expect, it } from 'vitest';
import { runBlock } from '../../support/pkt/assert.js';
import { runScriptText } from '../../support/pkt/run.js';

const OPEN = `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop>
+0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK>
+.1 < . 1:1(0) ack 1 win 5000
+0 accept(3, ..., ...) = 4
`;

describe('scripts that do not hold', () => {
  const cases: readonly (readonly [what: string, rest: string, message: RegExp])[] = [
    ['a flag', '+0 write(4, ..., 10) = 10\n+0 > . 1:11(10) ack 1', /line 9: a flag/],
    ['a sequence number', '+0 write(4, ..., 10) = 10\n+0 > P. 2:12(10) ack 1', /line 9: the sequence number/],
    ['an acknowledgement', '+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 2', /the acknowledgement/],
    ['a length', '+0 write(4, ..., 10) = 10\n+0 > P. 1:12(11) ack 1', /only 10 of 11/],
    ['a window', '+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1 win 7', /the window/],
    ['an option', '+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1 <nop,nop>', /the list of options/],
    ['a codepoint', '+0 write(4, ..., 10) = 10\n+0 > [ce] P. 1:11(10) ack 1', /the ECN codepoint/],
    ['a time to live', '+0 write(4, ..., 10) = 10\n+0 > [ttl 3] P. 1:11(10) ack 1', /the time to live/],
    ['a time', '+0 write(4, ..., 10) = 10\n+.1 > P. 1:11(10) ack 1', /sent at 0\.1, not at 0\.2/],
    ['silence', '+0 > P. 1:11(10) ack 1', /nothing was sent/],
    ['a segment too many', '+0 write(4, ..., 10) = 10', /nobody asked for P\. 1:11/],
    ['a result', '+0 write(4, ..., 10) = 9', /write gave 10/],
    ['an errno', '+0 read(4, ..., 10) = -1 EPIPE (Broken pipe)', /read blocks/],
    ['an option of a socket', '+0 getsockopt(4, SOL_TCP, TCP_MAXSEG, [999], [4]) = 0', /TCP_MAXSEG is 1000/],
    ['readiness', '+0 poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, 0) = 1', /poll gave 0/],
    ['a counter', '+0 `nstat -n`\n+0 `nstat -s | grep TcpOutSegs | grep -q " 1 "`', /TcpOutSegs moved by 0/],
    ['an assertion', '+0 %{ assert tcpi_snd_cwnd == 11 }%', /line 8: assert tcpi_snd_cwnd == 11: tcpi_snd_cwnd is 10/],
    [
      'a call that waits too long',
      '+0...0.1 read(4, ..., 1) = 1\n+.2 < P. 1:2(1) ack 1 win 5000',
      /read returned at 0.3, not at 0.2/,
    ],
    ['numbers that disagree', '+0 < P. 1:11(9) ack 1 win 5000', /sequence numbers that agree/],
    ['an unknown command', '+0 `reboot`', /no such command/],
  ];
  for (const [what, rest, message] of cases) {
    it(what, () => expect(() => runScriptText(OPEN + rest)).toThrow(message));
  }
});

describe('scripts that hold', () => {
  it('times in ranges and at any time, ports of others, defines, a tolerance of their own', () => {
    const text = `--define=SIZE=10\n--tolerance_usecs=30000\n--mss=1000\n${OPEN}+0 write(4, ..., SIZE) = 10
* > P. 1:11(10) ack 1
+.3~+.4 > P. 1:11(10) ack 1
+0 < 40000 > 9 . 1:1(0) ack 1 win 5
+0 < . 1:1(0) ack 11 win 5000
+.02 < . 1:4001(4000) ack 11 win 5000
+0.025 > . 11:11(0) ack 4001
\`sysctl -q net.ipv4.tcp_ecn=0\``;
    expect(() => runScriptText(text)).not.toThrow();
  });
});

describe('assertions', () => {
  const run = (text: string) => () => runBlock(text, { tcpi_a: 5, tcpi_b: 0x12 }, new Map());
  it('follow Python', () => {
    for (const claim of [
      'tcpi_a == 5 and not tcpi_b == 5 or False',
      '1 < tcpi_a <= 5 != 6',
      'tcpi_b & 0x10 and tcpi_b & 1 == 0',
      '(tcpi_a + 3) * 2 // 3 == 5, "a message, with a comma"',
      '-7 // 2 == -4; assert -7 % 3 == 2',
      'tcpi_a | 2 == 7',
      'TCP_CA_Loss == 4 # a remark',
    ]) {
      expect(run(`assert ${claim}`), claim).not.toThrow();
    }
    expect(run('x = tcpi_a * 2\nassert x == 10')).not.toThrow();
  });
  it('fail', () => {
    expect(run('assert tcpi_a == 6, tcpi_a')).toThrow('assert tcpi_a == 6: tcpi_a is 5');
    expect(run('assert 1 < tcpi_a < 5')).toThrow('tcpi_a is 5');
    expect(run('assert tcpi_none == 0')).toThrow('tcpi_none is not known');
    expect(run('assert tcpi_a ==')).toThrow();
    expect(run('while True: pass')).toThrow('cannot read');
  });
});
