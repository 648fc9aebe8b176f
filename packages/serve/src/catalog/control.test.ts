/** Models loaded and unloaded while a real server runs. */
import { hasCode } from '@slipway/core';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { oneWeightModel } from '../testing/onnx.ts';
import { type Serving, serving } from '../testing/serving.ts';

const BODY = { instances: [[1]] };

describe('explicit control', () => {
  let root: string;
  let server: Serving;
  const ask = async (model: string): Promise<string> => {
    const { status, text } = await server.post(`/v1/models/${model}:predict`, BODY);
    return `${status} ${/\[\[([\d.]+)\]\]/.exec(text)?.[1] ?? ''}`;
  };
  const states = () =>
    server.server.control.index().map(({ name, version, state }) => `${name}:${version ?? '-'} ${state}`);

  beforeAll(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'slipway-control-'));
    await mkdir(path.join(root, 'a', '1'), { recursive: true });
    await writeFile(path.join(root, 'a', '1', 'model.onnx'), oneWeightModel(1));
    await writeFile(path.join(root, 'broken.onnx'), 'broken');
    server = await serving({ given: oneWeightModel(7) }, { modelControl: 'explicit', modelRoots: [root] });
    await server.server.ready;
  });
  afterAll(async () => {
    await server.close();
    await rm(root, { recursive: true, force: true });
  });

  it('serves what was named at the start, and what is loaded later', async () => {
    expect(await ask('given')).toBe('200 7.0');
    expect(await ask('a')).toMatch(/^404/);
    await server.server.control.load('a', { path: path.join(root, 'a') });
    expect(await ask('a')).toBe('200 1.0');
    expect(states()).toEqual(['a:1 ready', 'given:1 ready']);
  });

  it('does not follow the directory until it is asked to, and then only loads what changed', async () => {
    const { control } = server.server;
    await mkdir(path.join(root, 'a', '2'));
    await writeFile(path.join(root, 'a', '2', 'model.onnx'), oneWeightModel(2));
    expect(await ask('a')).toBe('200 1.0');
    // Below the root, wherever the server was started.
    await control.load('a', { path: 'a' });
    expect(await ask('a')).toBe('200 2.0');
  });

  it('takes the model itself, with settings, in place of the one that is loaded', async () => {
    const { control } = server.server;
    const files = new Map([['2/model.onnx', oneWeightModel(5)]]);
    await control.load('a', { files, settings: { batching: { maxBatchSize: 2 } } });
    expect(await ask('a')).toBe('200 5.0');
  });

  it('leaves what is loaded when a load fails, and says why', async () => {
    const { control } = server.server;
    await expect(control.load('a', { files: new Map([['3/model.onnx', Buffer.from('broken')]]) })).rejects.toSatisfy(
      (error) => hasCode(error, 'MODEL_UNAVAILABLE'),
    );
    expect(await ask('a')).toBe('200 5.0');
    await expect(control.load('new', { path: path.join(root, 'broken.onnx') })).rejects.toThrow(
      /not a usable ONNX model/,
    );
    expect(await ask('new')).toMatch(/^503/);
  });

  it('refuses paths outside the roots, names and files that lead elsewhere, and what is not there', async () => {
    const { control } = server.server;
    const code = (of: Promise<void>) =>
      of.then(
        () => 'ok',
        (error: unknown) => (error as { code: string }).code,
      );
    expect(await code(control.load('x', { path: '/etc' }))).toBe('CLIENT_REFUSED');
    for (const relative of ['', '..', '../..', 'a/../..', 'nothing']) {
      expect(await code(control.load('x', { path: relative }))).toBe('CLIENT_REFUSED');
    }
    expect(await code(control.load('x', { path: path.join(root, '..') }))).toBe('CLIENT_REFUSED');
    expect(await code(control.load('../x'))).toBe('REQUEST_MALFORMED');
    expect(await code(control.load('x', { files: new Map([['../1/model.onnx', Buffer.of(1)]]) }))).toBe(
      'REQUEST_MALFORMED',
    );
    expect(await code(control.load('nobody'))).toBe('MODEL_NOT_FOUND');
    expect(await code(control.unload('nobody'))).toBe('MODEL_NOT_FOUND');
  });

  it('unloads, and says so, and loads again', async () => {
    const { control } = server.server;
    await control.unload('given');
    expect(await ask('given')).toMatch(/^503/);
    await expect
      .poll(() => control.index().find(({ name }) => name === 'given'))
      .toMatchObject({ state: 'gone', reason: 'unloaded' });
    await control.load('given');
    expect(await ask('given')).toBe('200 7.0');
  });

  it('points labels at versions that are there only', async () => {
    const { control } = server.server;
    control.setLabel('given', 'stable', 1);
    expect((await server.post('/v1/models/given/labels/stable:predict', BODY)).status).toBe(200);
    expect(() => control.setLabel('given', 'stable', 9)).toThrow(/cannot point at version 9/);
    control.setLabel('given', 'stable', null);
    expect((await server.post('/v1/models/given/labels/stable:predict', BODY)).status).toBe(400);
  });

  it('replaces the whole list, and changes nothing when the list is wrong', async () => {
    const { control } = server.server;
    const entry = { name: 'given' };
    await expect(control.replaceAll([entry, entry])).rejects.toThrow(/given twice/);
    expect(await ask('a')).toBe('200 5.0');
    await control.replaceAll([
      entry,
      { name: 'b', path: path.join(root, 'a'), settings: { versionPolicy: { specific: [1] } } },
    ]);
    expect(await ask('a')).toMatch(/^404/);
    expect(await ask('b')).toBe('200 1.0');
    expect(await ask('given')).toBe('200 7.0');
  });

  it('has one outcome when many load and unload one model at once', async () => {
    const { control } = server.server;
    const calls = Array.from({ length: 40 }, (_, turn) =>
      (turn % 2 === 0 ? control.load('given') : control.unload('given')).then(
        () => 'done',
        (error: unknown) => (error as { code: string }).code,
      ),
    );
    const ends = await Promise.all([...calls, control.load('given').then(() => 'last')]);
    expect(ends.at(-1)).toBe('last');
    expect(ends.filter((end) => !['done', 'last', 'CONTROL_CONFLICT'].includes(end))).toEqual([]);
    expect(await ask('given')).toBe('200 7.0');
    await expect
      .poll(async () => (await server.server.status()).models.find(({ name }) => name === 'given')?.versions.length, {
        timeout: 10_000,
      })
      .toBe(1);
  });
});

it('survives a restart, where there is a directory to keep it in', async () => {
  const root = await mkdtemp(path.join(tmpdir(), 'slipway-state-'));
  const stateDirectory = path.join(root, 'state');
  const options = { modelControl: 'explicit', modelRoots: [root], stateDirectory } as const;
  for (const version of [1, 2]) {
    await mkdir(path.join(root, 'a', String(version)), { recursive: true });
    await writeFile(path.join(root, 'a', String(version), 'model.onnx'), oneWeightModel(version));
  }
  const predict = async (server: Serving, at: string): Promise<string> =>
    (await server.post(`/v1/models/${at}:predict`, BODY)).text;
  try {
    const before = await serving({ given: oneWeightModel(7) }, options);
    await before.server.ready;
    await before.server.control.load('a', { path: path.join(root, 'a'), settings: { versionPolicy: { all: true } } });
    before.server.control.setLabel('a', 'stable', 1);
    await before.close();
    const after = await serving({ given: oneWeightModel(7) }, options);
    try {
      await expect.poll(() => predict(after, 'a'), { timeout: 10_000 }).toContain('2.0');
      await expect.poll(() => predict(after, 'a/labels/stable'), { timeout: 10_000 }).toContain('1.0');
      await after.server.control.unload('a');
    } finally {
      await after.close();
    }
    const state = JSON.parse(await readFile(path.join(stateDirectory, 'serving-state.json'), 'utf8')) as {
      asked: object;
    };
    expect(Object.keys(state.asked)).toEqual(['given']);
    await writeFile(path.join(stateDirectory, 'serving-state.json'), '{"half":');
    await expect(serving({ given: oneWeightModel(7) }, options)).rejects.toThrow(/is not a state of the form/);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}, 20_000);

it('is refused in every other mode', async () => {
  const server = await serving({ m: oneWeightModel(1) });
  try {
    await server.server.ready;
    const { control } = server.server;
    expect(control.allowed).toBe(false);
    await expect(control.load('m')).rejects.toThrow(/does not let clients load models/);
    await expect(control.unload('m')).rejects.toThrow(/does not let clients/);
    await expect(control.replaceAll([])).rejects.toThrow(/does not let clients/);
    expect(() => control.setLabel('m', 'a', 1)).toThrow(/does not let clients/);
  } finally {
    await server.close();
  }
});
