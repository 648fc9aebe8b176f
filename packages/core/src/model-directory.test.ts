import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LIMITS } from './limits.ts';
import { readModelDirectory, writeManifest } from './model-directory.ts';
import { manifestOf, writeModel } from './store/testing/model.ts';

let root: string;
let directory: string;
const file = (): string => path.join(directory, 'slipway.json');
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'slipway-model-'));
  directory = path.join(root, 'model');
  await writeModel(directory, 'digits', { 'model.onnx': 'weights', 'sub/labels.txt': 'zero' });
});
afterEach(() => rm(root, { recursive: true, force: true }));

const refuses = (problem: RegExp, code = 'MANIFEST_INVALID') =>
  expect(readModelDirectory(directory, { verify: true })).rejects.toMatchObject({
    code,
    message: expect.stringMatching(problem) as string,
  });

describe('readModelDirectory', () => {
  it('reads what writeManifest wrote, which is the same text whatever the order', async () => {
    const manifest = manifestOf('digits', { 'sub/labels.txt': 'zero', 'model.onnx': 'weights' });
    const text = await readFile(file(), 'utf8');
    await writeManifest(directory, manifest);
    expect(await readFile(file(), 'utf8')).toBe(text);
    expect(text).toMatch(/^\{\n {2}"engine": "onnxruntime",\n[^]*\}\n$/);
    const found = await readModelDirectory(directory, { verify: true });
    expect(found.directory).toBe(directory);
    expect(found.manifest.files.map((each) => each.path)).toEqual(['model.onnx', 'sub/labels.txt']);
  });

  it('refuses to write a manifest it would not read', async () => {
    const manifest = { ...manifestOf('digits', { 'model.onnx': 'weights' }), entry: 'other.onnx' };
    await expect(writeManifest(directory, manifest)).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
  });

  it('tells what is wrong with slipway.json', async () => {
    const good = JSON.parse(await readFile(file(), 'utf8')) as Record<string, unknown>;
    const cases: [unknown, RegExp][] = [
      ['{', /is not JSON/],
      ['[]', /expected object/],
      ['[['.repeat(100_000), /nests deeper than 100/],
      [{ ...good, files: [...(good['files'] as unknown[]), ...(good['files'] as unknown[])] }, /listed twice/],
      [{ ...good, extra: 1 }, /extra/],
      [
        { ...good, files: [{ path: '../x', role: 'model', digest: 'sha256:1', size: -1 }] },
        /files\.0\.path.*digest.*size/,
      ],
      [{ ...good, entry: 'sub/labels.txt' }, /entry: "sub\/labels.txt" is not among/],
      [{ ...good, golden: { file: 'golden.npz', count: 1, tolerance: { absolute: 0, relative: 0 } } }, /golden.file/],
    ];
    for (const [content, problem] of cases) {
      await writeFile(file(), typeof content === 'string' ? content : JSON.stringify(content));
      await refuses(problem);
    }
    await writeFile(file(), Buffer.from([0xff, 0xfe]));
    await refuses(/is not JSON/);
    await truncate(file(), LIMITS.maxManifestBytes + 1);
    await refuses(/more than the limit/);
    await rm(file());
    await refuses(/no such file/, 'FILE_NOT_FOUND');
    spawnSync('mkfifo', [file()]);
    await refuses(/not a regular file/);
  });

  it('checks that every file is there, regular, inside, and as long and as digested as listed', async () => {
    const labels = path.join(directory, 'sub/labels.txt');
    await writeFile(labels, 'ZERO');
    await readModelDirectory(directory);
    await refuses(/digest is/, 'DIGEST_MISMATCH');
    await writeFile(labels, 'longer');
    await refuses(/has 6 bytes, expected 4/);
    await rm(labels);
    await refuses(/no such file/, 'FILE_NOT_FOUND');
    await mkdir(labels);
    await refuses(/not a regular file/);
    await rm(labels, { recursive: true });
    await writeFile(path.join(root, 'outside'), 'zero');
    await symlink(path.join(root, 'outside'), labels);
    await refuses(/is a link out of the directory/);
  });

  it('follows links that stay inside, and a link to the directory itself', async () => {
    await rename(path.join(directory, 'sub'), path.join(directory, '..data'));
    await symlink('..data', path.join(directory, 'sub'));
    const link = path.join(root, 'link');
    await symlink(directory, link);
    expect((await readModelDirectory(link, { verify: true })).directory).toBe(link);
  });
});
