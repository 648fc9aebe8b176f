/** Rows as clients send them, in a build: what they become, and what is said when they cannot be read. */
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Signature, transform } from '@slipway/core';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadRows } from './raw-rows.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'slipway-rows-'));
  await writeFile(path.join(directory, 'vocab.txt'), '[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const tokens = (...names: string[]): Signature => ({
  inputs: names.map((name) => ({ name, dtype: 'int64', shape: ['n', 's'] })),
  outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 2] }],
});
const source = (name: string, content: string) => {
  writeFileSync(path.join(directory, name), content);
  return { inputs: { '*': path.join(directory, name) }, labels: null, group: null, rows: null };
};

it('become tokens, padded where a mask tells padding', async () => {
  const step = transform.tokenize({ from: 'text', tokenizer: 'vocab.txt', ids: 'ids', mask: 'mask' });
  const rows = source('rows.csv', 'text,label\na,0\n"a b",1\n');
  const data = await loadRows(rows, tokens('ids', 'mask'), { inputs: [step] }, directory);
  expect(data.inputs['ids']).toMatchObject({ shape: [2, 4], data: BigInt64Array.of(2n, 4n, 3n, 0n, 2n, 4n, 5n, 3n) });
  expect(data.inputs['mask']).toMatchObject({ data: BigInt64Array.of(1n, 1n, 1n, 0n, 1n, 1n, 1n, 1n) });
  expect(data.labels).toMatchObject({ shape: [2] });
});

it('keep their own length where nothing does', async () => {
  const step = transform.tokenize({ from: 'text', tokenizer: 'vocab.txt', ids: 'ids' });
  const data = await loadRows(
    source('r.jsonl', '{"text":"a"}\n{"text":"a b"}\n'),
    tokens('ids'),
    { inputs: [step] },
    directory,
  );
  expect(data.isRagged).toBe(true);
});

it('become pixels of the files that they name', async () => {
  const bmp = Buffer.alloc(14 + 40 + 4);
  bmp.write('BM');
  bmp.writeUInt32LE(54, 10);
  bmp.writeUInt32LE(40, 14);
  bmp.writeInt32LE(1, 18);
  bmp.writeInt32LE(1, 22);
  bmp.writeUInt16LE(24, 28);
  bmp.set([3, 2, 1], 54);
  await writeFile(path.join(directory, 'a.bmp'), bmp);
  const pixels: Signature = {
    inputs: [{ name: 'x', dtype: 'uint8', shape: ['n', 1, 1, 3] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 2] }],
  };
  const transforms = { inputs: [transform.decodeImage({ from: 'photo', to: 'x' })] };
  const rows = source('rows.json', '[{"photo":"a.bmp"},{"photo":"a.bmp"}]');
  const data = await loadRows(rows, pixels, transforms, directory);
  expect(data.inputs['x']).toMatchObject({ shape: [2, 1, 1, 3], data: Uint8Array.of(1, 2, 3, 1, 2, 3) });
  const missing = source('rows.json', '[{"photo":"b.bmp"}]');
  await expect(loadRows(missing, pixels, transforms, directory)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  const broken = source('rows.json', '[{"photo":"vocab.txt"}]');
  await expect(loadRows(broken, pixels, transforms, directory)).rejects.toThrow(
    'rows from 0 on: input "photo"[0]: not a JPEG, PNG, WebP or BMP image',
  );
});

it('are taken as they are where they fit the model', async () => {
  const step = transform.tokenize({ from: 'text', tokenizer: 'nowhere.json', ids: 'ids' });
  const data = await loadRows(source('r.json', '[{"ids":[1,2]}]'), tokens('ids'), { inputs: [step] }, directory);
  expect(data.inputs['ids']).toMatchObject({ data: BigInt64Array.of(1n, 2n) });
});
