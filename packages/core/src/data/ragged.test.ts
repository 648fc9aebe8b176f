/** Rows whose shapes differ: read from every format to the same data, refused where they are not what the model takes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../errors.ts';
import { writeNpz } from '../npz.ts';
import type { Dim, Signature, TensorSpec } from '../signature.ts';
import { type Tensor, tensor } from '../tensor.ts';
import { columnOf, columnSlice, isRagged, mapColumn } from './column.ts';
import { createDataset, type Dataset, pickRows, rowsLike, rowsOf } from './dataset.ts';
import { loadDataset } from './load.ts';

const spec = (name: string, shape: readonly Dim[] | null, dtype: TensorSpec['dtype'] = 'int64'): TensorSpec => ({
  name,
  dtype,
  shape,
});
const takes = (...inputs: TensorSpec[]): Signature => ({ inputs, outputs: [] });
const tokens = takes(spec('ids', ['batch', 'sequence']));
const masked = takes(spec('ids', ['batch', 'sequence']), spec('mask', ['batch', 'sequence'], 'float32'));

const int64 = (values: readonly number[], shape: readonly number[] = [1, values.length]): Tensor =>
  tensor('int64', shape, BigInt64Array.from(values, BigInt));
const float32 = (values: readonly number[], shape: readonly number[] = [1, values.length]): Tensor =>
  tensor('float32', shape, Float32Array.from(values));

let folder = '';
beforeAll(() => (folder = mkdtempSync(path.join(tmpdir(), 'slipway-ragged-'))));
afterAll(() => rmSync(folder, { recursive: true }));

async function load(
  name: string,
  content: string | Uint8Array,
  signature = masked,
  range: readonly [number, number] | null = null,
): Promise<Dataset> {
  const file = path.join(folder, name);
  writeFileSync(file, content);
  return loadDataset({ inputs: { '*': file }, labels: null, group: null, rows: range }, signature);
}

const json = [
  { ids: [7, 8, 9], mask: [1, 1, 0], label: 0 },
  { ids: [5], mask: [1], label: 1 },
  { ids: [1, 2, 3], mask: [1, 0, 0], label: 0 },
];
const column = (name: 'ids' | 'mask'): number[][] => json.map((row) => row[name]);
const labels = int64([0, 1, 0], [3]);
const archive = (): Uint8Array =>
  writeNpz([
    ...column('ids').map((ids, i) => [`ids/${i}`, tensor('int32', [ids.length], Int32Array.from(ids))] as const),
    ...column('mask').map((mask, i) => [`mask/${i}`, float32(mask, [mask.length])] as const),
    ['labels', labels],
  ]);

describe('the same rows in every format', () => {
  it.each<[string, () => string | Uint8Array]>([
    ['rows.json', () => JSON.stringify(json)],
    ['instances.json', () => JSON.stringify({ instances: json })],
    ['columns.json', () => JSON.stringify({ inputs: { ids: column('ids'), mask: column('mask') }, labels: [0, 1, 0] })],
    ['rows.jsonl', () => json.map((row) => JSON.stringify(row)).join('\n')],
    [
      'rows.csv',
      () =>
        [
          'ids,mask,label',
          ...json.map((row) => `"${JSON.stringify(row.ids)}","[${row.mask.join(', ')}]",${row.label}`),
        ].join('\n'),
    ],
    ['rows.npz', archive],
  ])('%s', async (name, content) => {
    const dataset = await load(name, content());
    expect(dataset).toMatchObject({ rowCount: 3, isRagged: true, labels });
    expect(rowsOf(dataset, 0, 1)).toEqual({ ids: int64([7, 8, 9]), mask: float32([1, 1, 0]) });
    expect(rowsOf(dataset, 1, 2)).toEqual({ ids: int64([5]), mask: float32([1]) });
    expect(dataset.digest).toBe((await load('reference.npz', archive())).digest);
    expect(dataset.rowDigests()).toEqual((await load('reference.npz', archive())).rowDigests());
  });

  it('a file for one input', async () => {
    const at = path.join(folder, 'ids.json');
    writeFileSync(at, JSON.stringify(column('ids')));
    const source = { inputs: { ids: at }, labels: null, group: null, rows: null };
    const dataset = await loadDataset(source, tokens);
    expect(dataset.inputs['ids']).toEqual({ dtype: 'int64', parts: column('ids').map((ids) => int64(ids)) });
  });

  it('labels whose number differs: tokens, boxes', async () => {
    const rows = [
      { ids: [1, 2], label: [3, 4] },
      { ids: [5], label: [6] },
    ];
    const dataset = await load('labels.jsonl', rows.map((row) => JSON.stringify(row)).join('\n'), tokens);
    expect(dataset.labels).toEqual({ dtype: 'int64', parts: [int64([3, 4]), int64([6])] });
    const table = await load('labels.csv', 'ids,label\n"[1, 2]","[3, 4]"\n"[5]","[6]"\n', tokens);
    expect(table.digest).toBe(dataset.digest);
  });

  it('pictures of several sizes, and an input whose shape nobody knows', async () => {
    const pictures = writeNpz([
      ['x/0', float32([1, 2, 3, 4], [1, 2, 2])],
      ['x/1', float32([1, 2], [1, 1, 2])],
    ]);
    for (const shape of [['n', 1, 'h', 'w'], null]) {
      const dataset = await load('p.npz', pictures, takes(spec('x', shape, 'float32')));
      expect(rowsOf(dataset, 1, 2)['x']).toEqual(float32([1, 2], [1, 1, 1, 2]));
    }
  });
});

describe('rows of one shape', () => {
  it('are stacked, however they come, so that they are the same data', async () => {
    const [first, , third] = json;
    const apart = await load('apart.json', JSON.stringify([first, third]));
    expect(apart).toMatchObject({ isRagged: false, inputs: { ids: int64([7, 8, 9, 1, 2, 3], [2, 3]) } });
    const range = await load('range.json', JSON.stringify([json[1], first, third]), masked, [1, 3]);
    expect(range).toMatchObject({ isRagged: false, firstRow: 1 });
    expect(range.digest).toBe(apart.digest);
  });

  it('are those that can share a call', async () => {
    const dataset = await load('alike.json', JSON.stringify(json));
    expect(rowsLike(dataset, 0)).toEqual([0, 2]);
    expect(rowsLike(dataset, 2)).toEqual([2, 0]);
    expect(rowsLike(dataset, 1)).toEqual([1]);
    expect(pickRows(dataset, [2, 0])['ids']).toEqual(int64([1, 2, 3, 7, 8, 9], [2, 3]));
  });

  it('survive being cut and put together again (property)', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(sizes, fc.nat(), (lengths, at) => {
        const parts = lengths.map((length, row) => int64(Array.from({ length }, (_, i) => row * 10 + i)));
        const whole = columnOf(parts);
        expect(isRagged(whole)).toBe(new Set(lengths).size > 1);
        const cut = at % lengths.length;
        const row = columnSlice(whole, cut, cut + 1);
        expect(row).toEqual(parts[cut]);
        expect(mapColumn(whole, (value) => value)).toEqual(whole);
        const digest = (values: readonly Tensor[]) =>
          createDataset(tokens, { ids: columnOf(values) }, null, { rowCount: values.length, firstRow: 0 }).digest;
        expect(digest(parts)).toBe(digest([...parts]));
        const other = parts.with(cut, int64([...Array.from({ length: lengths[cut] ?? 0 }, () => 99), 99]));
        expect(digest(other)).not.toBe(digest(parts));
      }),
    );
  });
});

describe('rows that the model does not take', () => {
  const fixed = takes(spec('x', ['n', 3], 'float32'));
  it.each<[string, ErrorCode, string, string | Uint8Array, Signature, string]>([
    [
      'of another rank',
      'DATA_MISMATCH',
      'rank.json',
      '[[1, 2], [[3]]]',
      tokens,
      'input "ids": row 1 has shape [1, 1], the model takes int64[batch, sequence] (axis 0 counts rows)',
    ],
    [
      'of another size',
      'DATA_MISMATCH',
      'size.json',
      '[[1, 2, 3], [4, 5, 6], [7, 8]]',
      fixed,
      'input "x": row 2 has shape [2], the model takes float32[n, 3] (axis 0 counts rows)',
    ],
    [
      'all of another size',
      'DATA_MISMATCH',
      'all.json',
      '[[1, 2], [4, 5]]',
      fixed,
      'input "x": one row has shape [2], the model takes float32[n, 3]',
    ],
    [
      'with axes in another order',
      'DATA_MISMATCH',
      'order.npz',
      writeNpz([
        ['x/0', float32([1, 2, 3, 4, 5, 6], [3, 2])],
        ['x/1', float32([1, 2, 3, 4, 5, 6], [2, 3])],
      ]),
      takes(spec('x', ['n', 2, 3], 'float32')),
      'input "x": row 0 has shape [3, 2], the model takes float32[n, 2, 3] (axis 0 counts rows); the axes seem to be in another order',
    ],
    [
      'with a value of another type',
      'DATA_FORMAT',
      'type.json',
      '[[1, 2], [3, 4.5, 5]]',
      tokens,
      'input "ids"[1][1]: 4.5 is not a whole number, as int64 needs',
    ],
    [
      'with a value that the type cannot hold',
      'DATA_MISMATCH',
      'cast.npz',
      writeNpz([
        ['ids/0', float32([1, 2], [2])],
        ['ids/1', float32([1.5], [1])],
      ]),
      tokens,
      'input "ids": row 1: element 0 is 1.5, which int64 cannot hold',
    ],
    [
      'that are uneven inside',
      'DATA_FORMAT',
      'inside.json',
      '[[[1, 2], [3]]]',
      takes(spec('x', ['n', 'h', 'w'])),
      'input "x"[0][1]: has 1 elements where its neighbours have 2; arrays must not be ragged',
    ],
    [
      'with no list in a cell',
      'DATA_FORMAT',
      'cell.csv',
      'ids\n"[1, 2]"\n3 4\n',
      tokens,
      'row 2, column "ids": "3 4" is not a list of numbers such as [1, 2]',
    ],
    [
      'with a list that is not closed',
      'DATA_FORMAT',
      'open.csv',
      'ids\n"[1, 2"\n',
      tokens,
      'row 1, column "ids": "[1, 2" is not a list',
    ],
    [
      'with one missing',
      'DATA_FORMAT',
      'gap.npz',
      writeNpz([
        ['ids/0', int64([1], [1])],
        ['ids/2', int64([1], [1])],
      ]),
      tokens,
      'has 2 arrays "ids/…" but none for row 1',
    ],
    [
      'of several types',
      'DATA_FORMAT',
      'types.npz',
      writeNpz([
        ['ids/0', int64([1], [1])],
        ['ids/1', float32([1], [1])],
      ]),
      tokens,
      '"ids/1" is float32 where others are int64',
    ],
    [
      'that come twice',
      'DATA_FORMAT',
      'twice.npz',
      writeNpz([
        ['ids', int64([1], [1, 1])],
        ['ids/0', int64([1], [1])],
      ]),
      tokens,
      'has both an array "ids" and arrays of its rows',
    ],
    [
      'of one call that must have one shape',
      'DATA_MISMATCH',
      'call.json',
      '[[1, 2], [3], [4], [5]]',
      takes(spec('ids', [2, 'sequence'])),
      'input "ids": rows have different shapes, and the model takes exactly 2 rows per call',
    ],
    [
      'whose inputs do not belong together',
      'DATA_MISMATCH',
      'together.json',
      '[{"ids": [1, 2], "mask": [1, 1]}, {"ids": [1, 2, 3], "mask": [1, 1]}]',
      masked,
      'row 1: input "mask": dimension "sequence" is 2 here and 3 in input "ids"',
    ],
    [
      'none of whose inputs belong together',
      'DATA_MISMATCH',
      'none.json',
      '[{"ids": [1, 2], "mask": [1]}, {"ids": [1, 2], "mask": [1]}]',
      masked,
      'input "mask": dimension "sequence" is 1 here and 2 in input "ids"',
    ],
    [
      'with labels of another rank',
      'DATA_MISMATCH',
      'rank-of-labels.json',
      '[{"ids": [1], "label": [1, 2]}, {"ids": [2], "label": [[3]]}]',
      tokens,
      'labels: row 1 has shape [1, 1], row 0 has [2]; rows may differ in length, not in rank',
    ],
    [
      'with groups that are lists',
      'DATA_MISMATCH',
      'group.json',
      '[{"ids": [1], "group": ["a"]}, {"ids": [2], "group": ["a", "b"]}]',
      tokens,
      'group has lists of different lengths; one name or number per row is expected',
    ],
  ])('%s', async (_, code, name, content, signature, message) => {
    await expect(load(name, content, signature)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
  });

  it('counts the row as in the file when only some of them are taken', async () => {
    const loading = load('from.json', '[[1], [2], [3, 4], [[5]]]', tokens, [2, 4]);
    await expect(loading).rejects.toThrow('input "ids": row 3 has shape [1, 1]');
  });

  it('takes an input that is named like a row of another', async () => {
    const odd = takes(spec('ids', ['n'], 'float32'), spec('ids/0', ['n'], 'float32'));
    const dataset = await load(
      'odd.npz',
      writeNpz([
        ['ids', float32([1, 2], [2])],
        ['ids/0', float32([3, 4], [2])],
      ]),
      odd,
    );
    expect(dataset.inputs).toEqual({ ids: float32([1, 2], [2]), 'ids/0': float32([3, 4], [2]) });
  });
});
