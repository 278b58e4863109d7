import { describe, expect, it } from 'vitest';
import { type Flags, parseFlags, UsageError } from '../../cli/flags.js';
import { cli } from './harness.js';

/** The flags that are set. */
function set(args: string): Partial<Flags> {
  const flags = parseFlags(args.split(' ').filter(Boolean));
  const empty: Record<string, unknown> = { ...parseFlags([]) };
  return Object.fromEntries(Object.entries(flags).filter(([k, v]) => v !== empty[k]));
}
const refusal = (args: string): string => {
  try {
    parseFlags(args.split(' '));
  } catch (e) {
    expect(e).toBeInstanceOf(UsageError);
    return (e as UsageError).message;
  }
  return '';
};

describe('flags', () => {
  it('come in clusters, long, as prefixes, in any order', () => {
    expect(set('-s6t')).toEqual({ statistics: 1, inet6: true, tcp: true });
    expect(set('--stat --tcp -6')).toEqual(set('-s6t'));
    expect(set('-ee -n')).toEqual({ extend: 2, numericHosts: true, numericPorts: true, numericUsers: true });
    expect(set('--numeric-ports')).toEqual({ numericPorts: true });
    expect(set('-A inet,inet6')).toEqual({ inet: true, inet6: true });
    expect(set('-Ainet6')).toEqual({ inet6: true });
  });

  it('--proc takes a folder, or none', () => {
    expect(set('-s --proc /x')).toEqual({ statistics: 1, proc: '/x' });
    expect(set('--proc=/x -s')).toEqual(set('-s --proc /x'));
    expect(set('--proc -s')).toEqual({ statistics: 1, proc: '' });
    expect(set('-s --proc')).toEqual({ statistics: 1, proc: '' });
  });

  it.each([
    ['--foo', "unknown option '--foo'"],
    ['--constructor', "unknown option '--constructor'"],
    ['-A toString', 'unknown address family'],
    ['-z', "unknown option '-z'"],
    ['-sz', "unknown option '-z'"],
    ['--num', 'ambiguous'],
    ['-s -i', 'only one of'],
    ['-s -s', 'only one of'],
    ['-s -r', 'only one of'],
    ['--connection', 'needs a value'],
    ['--connection 1.1', '--connection needs -s'],
    ['-s --connection 1.1 --proc', 'needs the daemon'],
    ['--proc --socket x', 'two sources'],
    ['--tcp=yes', 'takes no value'],
    ['-A ipx', 'unknown address family'],
    ['-x', 'unix sockets'],
    ['--masquerade', 'masqueraded connections'],
    ['wibble', "unknown command or argument 'wibble'"],
  ])('refuses %s', (args, words) => {
    expect(refusal(args)).toContain(words);
  });
});

describe('tsnetstat', () => {
  it('refuses in one line with status 3', async () => {
    expect(await cli(['--foo'])).toEqual({
      stdout: '',
      stderr: "tsnetstat: unknown option '--foo' (tsnetstat --help lists them)\n",
      status: 3,
    });
  });
  it('explains itself and tells its version', async () => {
    const help = await cli(['--help']);
    expect([help.status, help.stderr]).toEqual([0, '']);
    for (const words of ['--connection', '--proc', 'trace NAME', '--json']) expect(help.stdout).toContain(words);
    for (const line of help.stdout.split('\n')) expect(line.length).toBeLessThan(120);
    expect(await cli(['help'])).toEqual(help);
    expect(await cli(['-V'])).toEqual({ stdout: 'tsnetstat 1.2.3\n', stderr: '', status: 0 });
  });
});
