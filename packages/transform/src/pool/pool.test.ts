/** The pool: what one task does to others, what is refused, what happens when a thread ends. */
import { fail, systemClock, type Signature, type Tensors, transform } from '@slipway/core';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type PooledProgram, type PoolOptions, TransformPool } from './pool.ts';

let directory: string;
let pool: TransformPool;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'slipway-pool-'));
  await writeFile(path.join(directory, 'vocab.txt'), '[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n');
  // A pattern that backtracks for ever on a run of a's.
  const slow = {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'Split', pattern: { Regex: '(a+)+$' }, behavior: 'Isolated' },
    post_processor: null,
    decoder: null,
    model: { type: 'WordLevel', vocab: { a: 0, '[UNK]': 1 }, unk_token: '[UNK]' },
  };
  await writeFile(path.join(directory, 'slow.json'), JSON.stringify(slow));
});
afterEach(() => pool.close());
afterAll(() => rm(directory, { recursive: true, force: true }));

const signature: Signature = {
  inputs: [{ name: 'ids', dtype: 'int64', shape: ['batch', 'tokens'] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', 2] }],
};

function open(tokenizer: string, options: Partial<PoolOptions> = {}): Promise<PooledProgram> {
  pool = new TransformPool({ threads: 1, clock: systemClock, ...options });
  const inputs = [transform.tokenize({ from: 'text', tokenizer, ids: 'ids' })];
  return pool.open('m', { signature, transforms: { inputs } }, directory);
}

const text = (...data: string[]): Tensors => ({ text: { dtype: 'string', shape: [data.length], data } });

function ids(program: PooledProgram, ...texts: string[]): Promise<number[]> {
  return new Promise((resolve, reject) => {
    program.before(text(...texts), (error, made) => {
      if (error !== null || made === null) reject(error ?? fail('INTERNAL', { problem: 'nothing' }));
      else resolve(Array.from(made['ids']!.data as BigInt64Array, Number));
    });
  });
}

it('answers many at once, each its own', async () => {
  const program = await open('vocab.txt', { threads: 2 });
  const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => ids(program, i % 3 === 0 ? 'a' : 'b b')));
  answers.forEach((answer, i) => expect(answer).toEqual(i % 3 === 0 ? [2, 4, 3] : [2, 5, 5, 3]));
  expect(pool.threads).toBeLessThanOrEqual(2);
});

it('says what is wrong with one row, and does the others beside it', async () => {
  const program = await open('vocab.txt');
  const [good, bad] = await Promise.allSettled([ids(program, 'a'), ids(program, 'b', '\udc00')]);
  expect(good).toMatchObject({ status: 'fulfilled' });
  expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'TENSOR_INVALID' } });
});

it('ends a thread that takes too long, and answers what waited behind it', async () => {
  const program = await open('slow.json', { batchTimeoutMs: 300 });
  const hopeless = ids(program, `${'a'.repeat(60)}!`);
  const others = Promise.all([ids(program, 'a'), ids(program, 'a')]);
  await expect(hopeless).rejects.toMatchObject({ code: 'TRANSFORM_FAILED' });
  await expect(others).resolves.toEqual([[0], [0]]);
});

it('refuses what it cannot hold', async () => {
  const program = await open('vocab.txt', { maxQueuedTasks: 3 });
  const settled: unknown[] = [];
  const submit = () => program.before(text('a'), (error) => settled.push(error));
  expect(() => {
    for (let i = 0; i < 100; i++) submit();
  }).toThrow(
    expect.objectContaining({
      code: 'QUEUE_FULL',
      params: expect.objectContaining({ model: 'm' }) as unknown,
    }) as Error,
  );
});

it('does not do what was cancelled, nor settle it', async () => {
  const program = await open('vocab.txt');
  let settled = false;
  const cancel = program.before(text('a'), () => (settled = true));
  cancel();
  await expect(ids(program, 'b')).resolves.toEqual([2, 5, 3]);
  expect(settled).toBe(false);
});

it('has no thread left by what cannot be opened, and none before the first', async () => {
  await expect(open('missing.json')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  expect(pool.threads).toBe(0);
});
