import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { tensor } from '@slipway/core';
import type { SessionOptions } from '../engine.ts';
import { modelFile, relu } from '../testing/tiny-onnx.ts';
import { checkConfig, CONFIG_KEYS } from './config-keys.ts';
import { openOnnxruntime } from './engine.ts';
import { checkProviders, providerFailure } from './providers.ts';

const load = async (options: Partial<SessionOptions>) => {
  const engine = await openOnnxruntime();
  return engine.load(modelFile(relu), { threads: 1, spinning: false, optimization: 'all', ...options });
};

describe('execution providers', () => {
  test('the CPU is always there, and may be named', async () => {
    const session = await load({ executionProviders: ['cpu'] });
    const { y } = await session.run({ x: tensor('float32', [1, 3], Float32Array.of(-1, 2, 3)) });
    expect([...(y?.data as Float32Array)]).toEqual([0, 2, 3]);
  });

  test('one that this build does not have is an error that lists those it has, never the CPU instead', async () => {
    await expect(load({ executionProviders: ['xnnpack', 'cpu'] })).rejects.toMatchObject({
      code: 'PROVIDER_UNAVAILABLE',
      params: { provider: 'xnnpack', problem: expect.stringMatching(/ has cpu\b/) as string },
    });
  });

  test('one that cannot start here is told apart from a model that cannot be loaded', () => {
    const missing = 'OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library';
    expect(providerFailure(missing, ['cuda', 'cpu'], 'm')?.params).toMatchObject({
      provider: 'cuda',
      problem: 'its libraries are not installed',
    });
    expect(providerFailure('Protobuf parsing failed', ['cuda', 'cpu'], 'm')).toBeNull();
    expect(providerFailure(missing, ['cpu'], 'm')).toBeNull();
    const backends = [
      { name: 'cpu', bundled: true },
      { name: 'cuda', bundled: false },
    ];
    checkProviders(['cuda'], backends, 'm');
    expect(() => checkProviders(['rocm'], backends, 'm')).toThrow(/has cpu, cuda \(its libraries must be installed\)/);
  });
});

describe('session options', () => {
  test('all of them together', async () => {
    const session = await load({
      threads: 2,
      interThreads: 2,
      memoryArena: false,
      spinning: true,
      optimization: 'none',
      config: { 'session.set_denormal_as_zero': '1', 'session.disable_prepacking': '1' },
    });
    const { y } = await session.run({ x: tensor('float32', [1, 3], Float32Array.of(3, -4, 5)) });
    expect([...(y?.data as Float32Array)]).toEqual([3, 0, 5]);
  });

  test('take no key that the engine would ignore, or that names a file to write', () => {
    checkConfig({ 'session.disable_prepacking': '1' }, 'm');
    expect(() => checkConfig({ 'session.disable_prepackin': '1' }, 'm')).toThrow(/session\.disable_prepacking/);
    expect(() => checkConfig({ 'session.optimized_model_filepath': '/tmp/x' }, 'm')).toThrow(
      expect.objectContaining({ code: 'SESSION_INVALID' }),
    );
  });

  test('take only keys that the installed library knows', () => {
    const root = path.dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
    const directory = path.join(root, 'bin', 'napi-v6', process.platform, process.arch);
    const library = readdirSync(directory).find((name) =>
      /onnxruntime\.(so|dylib|dll)|onnxruntime\..*\.dylib/.test(name),
    );
    const bytes = readFileSync(path.join(directory, library ?? 'no library found'));
    for (const key of CONFIG_KEYS) expect([key, bytes.includes(`\0${key}\0`)]).toEqual([key, true]);
  });

  test('take the keys that the guide lists', () => {
    const guide = readFileSync(new URL('../../../../docs/guides/scheduling.md', import.meta.url), 'utf8');
    const listed = guide.match(/`(?:session|optimization|mlas)\.[a-z0-9_.]+`/g) ?? [];
    expect([...new Set(listed)].sort()).toEqual(CONFIG_KEYS.map((key) => `\`${key}\``));
  });
});
