/** Traces: what is sampled, what the files hold, and what cannot be set. */
import { systemClock } from '@slipway/core';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Tracer } from './tracer.ts';

let directory: string;
const errors: unknown[] = [];
const make = (file: string | null): Tracer =>
  new Tracer({ path: file, clock: systemClock, onError: (error) => errors.push(error) });
const set = (entries: Record<string, string | null>) =>
  new Map(Object.entries(entries).map(([name, value]) => [name, value === null ? null : value.split(' ')]));
const request = (model: string) => ({
  model,
  version: 1,
  startedAt: 1,
  queuedAt: 1.5,
  computeAt: 2,
  computedAt: 3,
  answeredAt: 3.25,
});
type Entry = { id: number; model_name?: string; timestamps?: { name: string; ns: number }[] };
const read = (name: string): Entry[] => JSON.parse(readFileSync(path.join(directory, name), 'utf8')) as Entry[];

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'slipway-trace-'));
  errors.length = 0;
});
afterEach(() => rmSync(directory, { recursive: true }));

describe('a tracer', () => {
  it('writes one request of so many, until the count is used up', async () => {
    const tracer = make(path.join(directory, 't'));
    expect(tracer.on).toBe(false);
    tracer.update(null, set({ trace_level: 'TIMESTAMPS', trace_rate: '2', trace_count: '3' }));
    expect(tracer.on).toBe(true);
    for (let i = 0; i < 10; i++) tracer.observe(request('m'));
    expect(tracer.settings(null).trace_count).toBe(0);
    await tracer.close();
    const entries = read('t');
    expect(entries.map(({ id }) => id)).toEqual([1, 1, 2, 2, 3, 3]);
    expect(entries[0]).toEqual({ id: 1, model_name: 'm', model_version: 1 });
    const stamps = entries[1]?.timestamps ?? [];
    expect(stamps.map(({ name }) => name)).toEqual([
      'REQUEST_START',
      'QUEUE_START',
      'COMPUTE_START',
      'COMPUTE_END',
      'REQUEST_END',
    ]);
    const since = stamps.map(({ ns }) => Math.round((ns - (stamps[0]?.ns ?? 0)) / 1000));
    expect(since).toEqual([0, 500, 1000, 2000, 2250]);
    expect(errors).toEqual([]);
  });

  it('begins a new file after every so many', async () => {
    const tracer = make(path.join(directory, 't'));
    tracer.update(null, set({ trace_level: 'TIMESTAMPS', trace_rate: '1', log_frequency: '2' }));
    for (let i = 0; i < 5; i++) tracer.observe(request('m'));
    await tracer.close();
    expect([read('t.0').length, read('t.1').length, read('t.2').length]).toEqual([4, 4, 2]);
    expect(existsSync(path.join(directory, 't'))).toBe(false);
  });

  it('has settings for one model that win, until they are taken back', async () => {
    const tracer = make(path.join(directory, 't'));
    tracer.update('a', set({ trace_level: 'TIMESTAMPS', trace_rate: '1' }));
    expect(tracer.settings(null).trace_level).toEqual(['OFF']);
    tracer.observe(request('a'));
    tracer.observe(request('b'));
    tracer.update('a', set({ trace_rate: null }));
    expect(tracer.settings('a')).toMatchObject({ trace_rate: 1000, trace_level: ['TIMESTAMPS'] });
    tracer.update('a', new Map());
    expect(tracer.on).toBe(false);
    tracer.observe(request('a'));
    await tracer.close();
    expect(read('t').flatMap(({ model_name = [] }) => model_name)).toEqual(['a']);
  });

  it.each([
    [{ trace_level: 'TENSORS' }, 'TENSORS is not supported'],
    [{ trace_level: 'LOUD' }, 'is not known'],
    [{ trace_rate: '0' }, 'at least 1'],
    [{ trace_rate: '1e3' }, 'whole number'],
    [{ trace_count: '-2' }, 'at least -1'],
    [{ log_frequency: '1 2' }, 'one whole number'],
    [{ trace_file: '/etc/passwd' }, 'cannot be changed'],
    [{ trace_mode: 'opentelemetry' }, 'cannot be changed'],
    [{ colour: 'red' }, 'is not known'],
  ])('refuses %o, and changes nothing', (changes, problem) => {
    const tracer = make(path.join(directory, 't'));
    const before = tracer.settings(null);
    expect(() => tracer.update(null, set({ trace_rate: '7', ...changes }))).toThrow(problem);
    expect(tracer.settings(null)).toEqual(before);
  });

  it('cannot be switched on without a file, and says when one cannot be written', async () => {
    expect(() => make(null).update(null, set({ trace_level: 'TIMESTAMPS' }))).toThrow('--trace-file');
    const tracer = make(path.join(directory, 'absent', 't'));
    tracer.update(null, set({ trace_level: 'TIMESTAMPS', trace_rate: '1' }));
    tracer.observe(request('m'));
    await tracer.close();
    expect(errors).toHaveLength(1);
  });
});
