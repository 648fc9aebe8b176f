import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureDirectory, replaceFile } from './durable.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'slipway-durable-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('replaceFile', () => {
  it('shows the old content until the rename, then the new, and leaves nothing else', async () => {
    const file = path.join(root, 'file');
    await replaceFile(file, 'old');
    const seen: string[] = [];
    const step = async (name: string) => void seen.push(`${name}: ${await readFile(file, 'utf8')}`);
    await replaceFile(file, 'new', { step });
    expect(seen).toEqual(['file.written: old', 'file.renamed: new']);
    expect(await readdir(root)).toEqual(['file']);
  });

  it('leaves everything as it was when it fails', async () => {
    const directory = path.join(root, 'directory');
    await mkdir(directory);
    await expect(replaceFile(directory, 'content')).rejects.toMatchObject({ code: 'EISDIR' });
    await expect(replaceFile(path.join(root, 'absent', 'file'), 'content')).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await readdir(root)).toEqual(['directory']);
  });
});

describe('ensureDirectory', () => {
  it('makes parents, also many times at once, and says what is in the way', async () => {
    const deep = path.join(root, 'a', 'b', 'c');
    await Promise.all(Array.from({ length: 8 }, () => ensureDirectory(deep)));
    await ensureDirectory(deep);
    expect(await readdir(path.dirname(deep))).toEqual(['c']);
    await writeFile(path.join(root, 'file'), '');
    await expect(ensureDirectory(path.join(root, 'file', 'x'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });
});

describe.skipIf(!existsSync('/proc/self'))('below /proc', () => {
  it('says that no directory can be made there, and returns', async () => {
    await expect(ensureDirectory('/proc/slipway/store')).rejects.toMatchObject({ code: 'READ_ONLY' });
  });
});
