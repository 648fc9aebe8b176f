/**
 * A bundle serves with nothing else: no PATH, no home, no npm, and no network but the loopback of a namespace of its own.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { digestOfFile } from '@slipway/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { documentOf, type ErrorDocument, makeProject, MODEL, slipway } from './slipway.ts';

interface BundleDocument {
  readonly directory: string;
  readonly bytes: number;
  readonly digest: string;
}

interface Listing {
  readonly files: readonly { path: string; mode: string; size: number; digest: string }[];
  readonly packages: readonly { name: string; license: string }[];
}

const project = makeProject();
const output = path.join(project.directory, 'bundle');
let made: BundleDocument;
let listing: Listing;

beforeAll(async () => {
  const built = await slipway(['build', '--json'], { cwd: project.directory });
  expect(built, built.stderr).toMatchObject({ code: 0 });
  const ran = await slipway(['bundle', 'digits', '--output', 'bundle', '--json'], { cwd: project.directory });
  expect(ran, ran.stderr).toMatchObject({ code: 0 });
  made = documentOf(ran);
  listing = JSON.parse(readFileSync(path.join(output, 'MANIFEST.json'), 'utf8')) as Listing;
});
afterAll(() => project.remove());

const namespaces = spawnSync('unshare', ['-rn', 'sh', '-c', 'ip link set lo up']).status === 0;

/** Node of the bundle asks its own server; this script is all that the namespace runs besides. */
const QUESTION = `
const { spawn } = require('node:child_process');
const child = spawn(process.argv[1] + '/run', ['--json'], { stdio: ['ignore', 'pipe', 'inherit'], env: {} });
let text = '';
child.stdout.on('data', async (chunk) => {
  text += chunk;
  if (!text.endsWith('\\n}\\n')) return;
  const { url, adminUrl } = JSON.parse(text);
  const outside = await fetch('http://192.0.2.1/', { signal: AbortSignal.timeout(500) }).then(() => 'reached', () => 'unreachable');
  const body = JSON.stringify({ instances: [[Array.from({ length: 28 }, () => Array(28).fill(0))]] });
  const answer = await (await fetch(url + '/v1/models/digits:predict', { method: 'POST', body })).json();
  const { ready } = await (await fetch(adminUrl + '/status')).json();
  child.on('exit', (code) => console.log(JSON.stringify({ outside, answer, ready, code })));
  child.kill('SIGTERM');
});`;

describe('a bundle', () => {
  it.skipIf(!namespaces)(
    'serves and answers in an empty network namespace, with PATH empty (skipped where unshare -rn is not permitted)',
    () => {
      const script = `PATH=/usr/sbin:/sbin:/usr/bin:/bin ip link set lo up; exec env -i "${output}/bin/node" -e '${QUESTION.replaceAll("'", `'\\''`)}' "${output}"`;
      const { stdout, stderr } = spawnSync('unshare', ['-rn', 'sh', '-c', script], { encoding: 'utf8', cwd: '/' });
      const said = JSON.parse(stdout === '' ? 'null' : stdout) as { answer: { predictions: number[][] } } | null;
      expect(said, stderr).toMatchObject({ outside: 'unreachable', ready: true, code: 0 });
      expect(said?.answer.predictions[0]).toHaveLength(10);
    },
  );

  it('starts with PATH empty', () => {
    const { stdout, status } = spawnSync(path.join(output, 'run'), ['--help'], {
      encoding: 'utf8',
      env: { PATH: '' },
      cwd: '/',
    });
    expect(status).toBe(0);
    expect(stdout).toContain('--max-batch-size');
  });

  it('lists every file with its digest and mode, and nothing else is there', async () => {
    const files = readdirSync(output, { recursive: true, encoding: 'utf8' }).filter((name) =>
      statSync(path.join(output, name)).isFile(),
    );
    expect(files.filter((name) => name !== 'MANIFEST.json').sort()).toEqual(
      listing.files.map((file) => file.path).sort(),
    );
    for (const file of listing.files) {
      const { size, mode } = statSync(path.join(output, file.path));
      expect({ size, mode: (mode & 0o777).toString(8).padStart(4, '0') }, file.path).toEqual({
        size: file.size,
        mode: file.mode,
      });
      expect(await digestOfFile(path.join(output, file.path)), file.path).toBe(file.digest);
    }
    expect(made.bytes).toBe(
      listing.files.reduce((sum, file) => sum + file.size, 0) + statSync(path.join(output, 'MANIFEST.json')).size,
    );
  });

  it('holds what serving needs and no more', () => {
    const names = listing.packages.map((found) => found.name);
    expect(names).toEqual(
      expect.arrayContaining(['slipway', '@slipway/serve', '@slipway/runtime', 'onnxruntime-node']),
    );
    for (const absent of ['@slipway/prepare', '@slipway/onnx', '@slipway/ship', 'adm-zip', 'global-agent']) {
      expect(names).not.toContain(absent);
    }
    expect(listing.files.filter((file) => /\.ts$|\.map$|\.test\./.test(file.path))).toEqual([]);
    expect(listing.packages.every((found) => found.license !== 'unknown')).toBe(true);
    // 109 MB are Node without symbols, 46 MB ONNX Runtime.
    expect(made.bytes).toBeLessThan(165e6);
  });

  it('is the same bytes again', async () => {
    const again = await slipway(['bundle', 'digits', '--output', 'again', '--json'], { cwd: project.directory });
    expect(documentOf<BundleDocument>(again).digest).toBe(made.digest);
  });

  it('never replaces what is there, and leaves nothing half-made', async () => {
    const taken = await slipway(['bundle', 'digits', '--output', 'bundle', '--json'], { cwd: project.directory });
    expect(taken.code).toBe(5);
    expect(documentOf<ErrorDocument>(taken).error.code).toBe('OUTPUT_EXISTS');
    const impossible = await slipway(['bundle', 'digits', '--output', path.join(MODEL, 'x'), '--json'], {
      cwd: project.directory,
    });
    expect(impossible.code).toBe(1);
    expect(readdirSync(project.directory).filter((name) => name.includes('partial'))).toEqual([]);
    expect(existsSync(path.join(output, 'run'))).toBe(true);
  });

  it('is refused for another platform', async () => {
    const ran = await slipway(['bundle', 'digits', '--platform', 'linux/riscv64', '--json'], {
      cwd: project.directory,
    });
    expect(ran.code).toBe(2);
    expect(documentOf<ErrorDocument>(ran).error.code).toBe('PLATFORM_UNSUPPORTED');
  });
});
