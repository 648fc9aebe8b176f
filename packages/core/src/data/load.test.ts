import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataSource } from '../config/data.ts';
import type { ErrorCode } from '../errors.ts';
import { writeNpy } from '../npy.ts';
import { writeNpz } from '../npz.ts';
import type { Dim, Signature, TensorSpec } from '../signature.ts';
import { type Tensor, tensor } from '../tensor.ts';
import { loadDataset } from './load.ts';

const spec = (name: string, shape: readonly Dim[] | null, dtype: TensorSpec['dtype'] = 'float32'): TensorSpec => ({
  name,
  dtype,
  shape,
});
const takes = (...inputs: TensorSpec[]): Signature => ({ inputs, outputs: [] });
const features = takes(spec('x', ['batch', 2]));
const two = takes(spec('age', ['batch', 1]), spec('name', ['batch'], 'string'));

const x = tensor('float32', [3, 2], Float32Array.of(1, 2, 3, 4, 5, 6));
const labels = tensor('int64', [3], BigInt64Array.of(0n, 1n, 0n));

let folder = '';
beforeAll(() => (folder = mkdtempSync(path.join(tmpdir(), 'slipway-data-'))));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const at = path.join(folder, name);
  writeFileSync(at, content);
  return at;
}
const from = (name: string, content: string | Uint8Array, more: Partial<DataSource> = {}): DataSource => ({
  inputs: { '*': file(name, content) },
  labels: null,
  group: null,
  rows: null,
  ...more,
});

describe('the same rows in every format', () => {
  const npz = (inputs: Tensor): Uint8Array =>
    writeNpz([
      ['x', inputs],
      ['labels', labels],
    ]);
  const json = {
    rows: [
      { x: [1, 2], label: 0 },
      { x: [3, 4], label: 1 },
      { x: [5, 6], label: 0 },
    ],
    columns: {
      inputs: {
        x: [
          [1, 2],
          [3, 4],
          [5, 6],
        ],
      },
      labels: [0, 1, 0],
    },
    bare: {
      inputs: [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      labels: [[0], [1], [0]],
    },
    instances: {
      instances: [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      labels: [0, 1, 0],
    },
  };
  it.each<[string, string, () => string | Uint8Array]>([
    ['npz', 'a.npz', () => npz(x)],
    ['npz of another dtype', 'a2.npz', () => npz(tensor('float64', [3, 2], Float64Array.of(1, 2, 3, 4, 5, 6)))],
    ['npz told by its first bytes', 'archive', () => npz(x)],
    ['csv', 'a.csv', () => 'first,label,second\n1,0,2\n3,1,4\n5,0,6\n'],
    ['json rows', 'rows.json', () => JSON.stringify(json.rows)],
    ['json columns', 'columns.json', () => JSON.stringify(json.columns)],
    ['json bare column', 'bare.json', () => JSON.stringify(json.bare)],
    ['json instances', 'instances.json', () => JSON.stringify(json.instances)],
    ['json lines', 'a.jsonl', () => json.rows.map((row) => JSON.stringify(row)).join('\n') + '\n\n'],
  ])('%s', async (_, name, content) => {
    const dataset = await loadDataset(from(name, content()), features);
    expect(dataset.inputs).toEqual({ x });
    expect(dataset.labels).toEqual(labels);
    expect(dataset.rowCount).toBe(3);
    expect(dataset.digest).toBe((await loadDataset(from('reference.npz', npz(x)), features)).digest);
  });

  it('a file per input, and one for the labels', async () => {
    const source: DataSource = {
      inputs: {
        age: file('age.npy', writeNpy(tensor('uint8', [2], Uint8Array.of(30, 40)))),
        name: file('name.json', '["a", "b"]'),
      },
      labels: file('labels.csv', 'label\nyes\nno\n'),
      group: null,
      rows: null,
    };
    const dataset = await loadDataset(source, two);
    expect(dataset.inputs).toEqual({
      age: tensor('float32', [2, 1], Float32Array.of(30, 40)),
      name: tensor('string', [2], ['a', 'b']),
    });
    expect(dataset.labels).toEqual(tensor('string', [2], ['yes', 'no']));
  });

  it('several inputs as named columns', async () => {
    const dataset = await loadDataset(from('two.csv', 'name,age,label\na,30,1\nb,40,0\n'), two);
    expect(dataset.inputs).toEqual({
      age: tensor('float32', [2, 1], Float32Array.of(30, 40)),
      name: tensor('string', [2], ['a', 'b']),
    });
  });

  it('a range of rows', async () => {
    const dataset = await loadDataset(from('range.npz', npz(x), { rows: [1, 3] }), features);
    expect(dataset.inputs).toEqual({ x: tensor('float32', [2, 2], Float32Array.of(3, 4, 5, 6)) });
    expect(dataset.labels).toMatchObject({ shape: [2] });
    expect(dataset).toMatchObject({ rowCount: 2, firstRow: 1 });
  });

  it('without labels', async () => {
    expect((await loadDataset(from('x.npy', writeNpy(x)), features)).labels).toBeNull();
  });

  it('keeps an input called label or labels an input', async () => {
    const odd = takes(spec('label', ['n']));
    const dataset = await loadDataset(from('odd.json', '[{"label": 5}]'), odd);
    expect(dataset).toMatchObject({ inputs: { label: tensor('float32', [1], Float32Array.of(5)) }, labels: null });
  });
});

describe('what is beside the inputs', () => {
  it('may be several labels per row, and a group', async () => {
    const arrays = [
      ['x', x],
      ['labels', x],
      ['group', tensor('string', [3], ['a', 'b', 'a'])],
    ] as const;
    const dataset = await loadDataset(from('g.npz', writeNpz(arrays.slice(0, 2))), features);
    expect(dataset.labels).toMatchObject({ shape: [3, 2] });
    expect(dataset.groups).toBeNull();
    const table = await loadDataset(from('g.csv', 'a,b,label,group\n1,2,0,north\n3,4,1,south\n'), features);
    expect(table.groups).toEqual(['north', 'south']);
    expect(table.inputs.x).toMatchObject({ shape: [2, 2] });
    const rows = [
      { x: [1, 2], group: 'north' },
      { x: [3, 4], group: 'south' },
    ];
    const json = await loadDataset(from('g.json', JSON.stringify(rows), { rows: [1, 2] }), features);
    expect(json.groups).toEqual(['south']);
    expect(json.digest).toBe((await loadDataset(from('h.json', JSON.stringify([[3, 4]])), features)).digest);
    const beside = { inputs: [[1, 2]], labels: [[1, 0]], group: [7] };
    const column = await loadDataset(from('i.json', JSON.stringify(beside)), features);
    expect(column).toMatchObject({ groups: ['7'], labels: { dtype: 'int64', shape: [1, 2] } });
  });
});

describe('what cannot be used', () => {
  it.each<[string, ErrorCode, string, string | Uint8Array, string, Signature?]>([
    ['no rows in csv', 'DATA_EMPTY', 'e.csv', 'a,b\n', 'contains no rows'],
    ['no rows in json', 'DATA_EMPTY', 'e.json', '[]', 'contains no rows'],
    [
      'no rows in npy',
      'DATA_EMPTY',
      'e.npy',
      writeNpy(tensor('float32', [0, 2], new Float32Array())),
      'contains no rows',
    ],
    [
      'a scalar',
      'DATA_MISMATCH',
      's.npy',
      writeNpy(tensor('float32', [], Float32Array.of(1))),
      'axis 0 must count the rows',
    ],
    ['an unknown format', 'DATA_FORMAT', 'x.parquet', 'PAR1', 'is in no known data format'],
    ['text that is not UTF-8', 'DATA_FORMAT', 'b.csv', Uint8Array.of(0x61, 0x0a, 0xff), 'is not UTF-8'],
    ['broken JSON', 'DATA_FORMAT', 'broken.json', '[1,', 'broken.json: Unexpected end'],
    ['a broken line', 'DATA_FORMAT', 'broken.jsonl', '[1, 2]\n\n{', 'broken.jsonl, line 3:'],
    ['JSON that is no rows', 'DATA_FORMAT', 'n.json', '5', 'must be an array of rows'],
    [
      'both forms at once',
      'DATA_FORMAT',
      'both.json',
      '{"inputs": [], "instances": []}',
      'either "inputs" or "instances"',
    ],
    [
      'a misspelt member',
      'DATA_FORMAT',
      'm.json',
      '{"inputs": [[1, 2]], "lables": [0]}',
      'unknown member "lables", did you mean "labels"?',
    ],
    ['a row without an input', 'DATA_FORMAT', 'r.json', '[{"x": [1, 2]}, {"label": 1}]', 'row 1: has no "x"'],
    [
      'a row with a misspelt input',
      'DATA_FORMAT',
      'r2.json',
      '[{"age": 1, "nmae": "a"}]',
      '"nmae" is not an input of the model, did you mean "name"?',
      two,
    ],
    ['a bare row for two inputs', 'DATA_FORMAT', 'r3.json', '[[1, 2]]', 'row 0: must be an object', two],
    [
      'labels on some rows',
      'DATA_FORMAT',
      'l.json',
      '[{"x": [1, 2], "label": 1}, {"x": [1, 2]}]',
      '1 of 2 rows have a "label"',
    ],
    [
      'a row of another length than the model takes',
      'DATA_MISMATCH',
      'ragged.json',
      '[[1, 2], [3]]',
      'input "x": row 1 has shape [1], the model takes float32[batch, 2]',
    ],
    ['text for numbers', 'DATA_FORMAT', 't.json', '[[1, 2], [3, "4"]]', 'input "x"[1][1]: is the string "4"'],
    [
      'text for numbers in csv',
      'DATA_FORMAT',
      't.csv',
      'a,b\n1,2\n3,four\n',
      'row 2, column "b": "four" is not a number',
    ],
    [
      'more labels than rows',
      'DATA_MISMATCH',
      'n.npz',
      writeNpz([
        ['x', x],
        ['labels', tensor('uint8', [2], Uint8Array.of(0, 1))],
      ]),
      '"x" has 3 rows, "labels" has 2',
    ],
    [
      'an array of another name',
      'DATA_MISMATCH',
      'a.npz',
      writeNpz([['label', x]]),
      'array "label" is not an input of the model, did you mean "labels"?',
    ],
    [
      'a missing input',
      'DATA_MISMATCH',
      'i.npz',
      writeNpz([['name', tensor('string', [1], ['a'])]]),
      'there is no data for input "age"',
      two,
    ],
    [
      'a missing column',
      'DATA_MISMATCH',
      'c.csv',
      'name,agee\na,3',
      '"agee" is not an input of the model, did you mean "age"?',
      two,
    ],
    [
      'one array for two inputs',
      'DATA_MISMATCH',
      'one.npy',
      writeNpy(x),
      'holds one array, the model takes 2 inputs',
      two,
    ],
    [
      'rows of another size',
      'DATA_MISMATCH',
      'size.csv',
      'a,b,c\n1,2,3\n',
      'one row has shape [3], the model takes float32[batch, 2]',
    ],
    [
      'values that do not fit',
      'DATA_MISMATCH',
      'v.npy',
      writeNpy(tensor('float64', [1, 2], Float64Array.of(0, 1e39))),
      'element 1 is 1e+39, which float32 cannot hold',
    ],
  ])('%s', async (_, code, name, content, message, signature = features) => {
    const loading = loadDataset(from(name, content), signature);
    await expect(loading).rejects.toMatchObject({ code, message: expect.stringContaining(message) as string });
  });

  it('rows beyond the end', async () => {
    const loading = loadDataset(from('few.npy', writeNpy(x), { rows: [2, 12] }), features);
    await expect(loading).rejects.toMatchObject({
      code: 'DATA_MISMATCH',
      message: expect.stringMatching(/rows \[2, 12\) of .* it has 3/) as string,
    });
  });

  it('files that are not there, or are folders', async () => {
    const source = (at: string): DataSource => ({ inputs: { '*': at }, labels: null, group: null, rows: null });
    await expect(loadDataset(source(path.join(folder, 'none.npz')), features)).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
    await expect(loadDataset(source(folder), features)).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
  });

  it('data for an input the model does not have', async () => {
    const source: DataSource = { inputs: { y: file('y.npy', writeNpy(x)) }, labels: null, group: null, rows: null };
    await expect(loadDataset(source, features)).rejects.toThrow('"y", which is not an input of the model ("x")');
  });
});

const mnist = path.resolve(import.meta.dirname, '../../../../../shared/data/mnist');
describe.skipIf(!existsSync(mnist))('the real MNIST test set (skipped where ../shared/data is absent)', () => {
  it('fits the model exported with a fixed batch of one', async () => {
    const source: DataSource = {
      inputs: { '*': path.join(mnist, 't10k-images-idx3-ubyte.gz') },
      labels: path.join(mnist, 't10k-labels-idx1-ubyte.gz'),
      group: null,
      rows: [1000, 1200],
    };
    const dataset = await loadDataset(source, takes(spec('Input3', [1, 1, 28, 28])));
    expect(dataset.inputs.Input3).toMatchObject({ dtype: 'float32', shape: [200, 1, 28, 28] });
    expect(dataset.labels).toMatchObject({ shape: [200] });
  });
});
