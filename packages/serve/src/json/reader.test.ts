import { afterAll, describe, expect, it } from 'vitest';
import type { JsonValue } from './parse.ts';
import { JsonReader } from './reader.ts';
import { plain } from './tensor.ts';

const reader = new JsonReader();
afterAll(() => reader.close());

const read = (text: string, nonFinite = false): Promise<{ value: JsonValue; bytes: Buffer }> =>
  new Promise((resolve, reject) => {
    const bytes = Buffer.from(text);
    reader.read(bytes, nonFinite, (value, moved) => resolve({ value, bytes: moved }), reject);
  });

/** More than a megabyte, with everything that has to survive the way between threads. */
const document = {
  numbers: Array.from({ length: 500 }, (_, i) => Array.from({ length: 300 }, (_, j) => (i * 300 + j) / 7)),
  __nested: { text: 'é✓', list: [null, true, { a: [] }, ['x']] },
};

describe('large JSON', () => {
  it('comes back from the worker as it is read at once', async () => {
    const text = JSON.stringify(document);
    expect(text.length).toBeGreaterThan(1024 * 1024);
    const { value, bytes } = await read(text);
    expect(JSON.stringify(plain(value, null))).toBe(text);
    expect(bytes.toString()).toBe(text);
  });

  it('keeps 64-bit integers and non-finite numbers', async () => {
    const text = `{"pad":"${'x'.repeat(1024 * 1024)}","ids":[9007199254740993,1],"odd":[NaN,1]}`;
    const { value, bytes } = await read(text, true);
    expect(plain(value, bytes)).toMatchObject({ ids: [9007199254740993n, 1], odd: ['NaN', 1] });
  });

  it('is refused as small JSON is', async () => {
    await expect(read(`[${'1,'.repeat(600_000)}x]`)).rejects.toMatchObject({ code: 'REQUEST_MALFORMED' });
    await expect(read(`["${'x'.repeat(1024 * 1024)}",NaN]`)).rejects.toThrow('NaN and Infinity are not JSON');
    const answers = await Promise.all(Array.from({ length: 5 }, () => read(JSON.stringify(document))));
    expect(answers).toHaveLength(5);
  });
});
