/** What the command line answers before any work starts: help, versions, and everything that can be mistyped. */
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { documentOf, type ErrorDocument, slipway } from './slipway.ts';

const VERBS = [
  'inspect',
  'init',
  'build',
  'releases',
  'report',
  'verify',
  'serve',
  'predict',
  'bench',
  'bundle',
  'status',
  'doctor',
  'completion',
];

describe('help', () => {
  it('lists every verb', async () => {
    const { code, stdout, stderr } = await slipway(['--help']);
    expect(code).toBe(0);
    expect(stderr).toBe('');
    for (const verb of VERBS) expect(stdout).toMatch(new RegExp(`^  ${verb} `, 'm'));
  });

  it.each(VERBS)('%s --help has examples and no colours', async (verb) => {
    const { code, stdout } = await slipway([verb, '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('Examples:');
    expect(stdout).toContain(`slipway ${verb}`);
    expect(stdout).not.toContain('\u001B');
  });

  it('is what no arguments and `help VERB` show', async () => {
    expect((await slipway([])).stdout).toContain('Prepare a model:');
    expect((await slipway(['help', 'serve'])).stdout).toContain('--max-batch-size');
  });

  it('is one document with --json', async () => {
    expect(documentOf(await slipway(['bench', '--help', '--json']))).toHaveProperty('help');
    expect(documentOf(await slipway(['--version', '--json']))).toEqual({ version: '0.1.0' });
  });
});

describe('mistakes', () => {
  it.each([
    [['buidl'], 'unknown verb "buidl", did you mean "build"'],
    [['serve', '--prot', '1'], 'unknown option \'--prot\', did you mean "--port"'],
    [['serve', '--port', 'http'], 'whole number from 0 to 65535'],
    [['serve', '--port', '70000'], 'whole number from 0 to 65535'],
    [['bench', 'x', '--duration', 'long'], '500ms, 10s or 2m'],
    [['bench', 'x', '--arrivals', 'normal'], 'poisson, uniform'],
    [['bench'], "missing required argument 'name'"],
    [['status', 'extra'], 'too many arguments'],
    [['completion', 'powershell'], 'bash, zsh, fish'],
    [['serve', '--model', 'no-equals-sign'], 'write NAME=PATH'],
    [['serve', '--model', 'a=.', '--model', 'a=..'], 'two --model are called "a"'],
  ])('%j exits with 2 and says what is meant', async (args, message) => {
    const { code, stdout, stderr } = await slipway(args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^USAGE: .+\nfix: .+\n$/);
    expect(stderr).toContain(message);
  });

  it('are one document on stdout with --json, and nothing on stderr', async () => {
    const ran = await slipway(['serve', '--prot', '1', '--json']);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toBe('');
    const { error } = documentOf<ErrorDocument>(ran);
    expect(error.code).toBe('USAGE');
    expect(Object.keys(error)).toEqual(['code', 'message', 'remedy', 'params']);
  });
});

describe('completion', () => {
  it('is a script that bash accepts, and completes verbs and flags', async () => {
    const { stdout } = await slipway(['completion', 'bash']);
    const complete = (words: string): string[] =>
      execFileSync(
        'bash',
        [
          '-c',
          `${stdout}\nCOMP_WORDS=(${words}); COMP_CWORD=$((\${#COMP_WORDS[@]}-1)); _slipway; printf '%s\\n' "\${COMPREPLY[@]}"`,
        ],
        {
          encoding: 'utf8',
        },
      )
        .trim()
        .split('\n');
    expect(complete('slipway se')).toEqual(['serve']);
    expect(complete('slipway serve --max-b')).toEqual(['--max-batch-size', '--max-body-bytes']);
    expect(complete('slipway bench x --arrivals p')).toEqual(['poisson']);
    expect(complete('slipway completion f')).toEqual(['fish']);
  });

  it.each(['zsh', 'fish'])('names every verb for %s', async (shell) => {
    const { code, stdout } = await slipway(['completion', shell]);
    expect(code).toBe(0);
    for (const verb of VERBS) expect(stdout).toContain(verb);
  });
});

it('says nothing when the reader of its output goes away', () => {
  const script = `"${process.execPath}" "$0" --help | head -1; echo "\${PIPESTATUS[0]}"`;
  const command = new URL('../../packages/cli/bin/slipway.js', import.meta.url).pathname;
  const output = execFileSync('bash', ['-c', script, command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  expect(output).toBe('Usage: slipway <verb> [options]\n0\n');
});
