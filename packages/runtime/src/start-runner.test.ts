import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import {
  digestOf,
  type Manifest,
  systemClock,
  type Tensor,
  tensor,
  type Tensors,
  writeManifest,
  writeNpz,
} from '@slipway/core';
import {
  gather,
  identity,
  modelFile,
  relu,
  temporaryDirectory,
  temporaryFile,
  tinyModel,
} from './testing/tiny-onnx.ts';
import { allowedCpus } from './host/cores.ts';
import type { Runner, RunnerOptions } from './runner.ts';
import { spawnRunner } from './spawn.ts';
import { startRunner } from './start-runner.ts';

const started: Runner[] = [];
afterEach(async () => {
  for (const runner of started.splice(0)) await runner.stop();
});

async function start(
  file: string,
  options: Partial<RunnerOptions> = {},
  world?: Parameters<typeof startRunner>[1],
): Promise<Runner> {
  const runner = await startRunner({ model: 'tiny', path: file, session: { threads: 1 }, ...options }, world);
  started.push(runner);
  return runner;
}

const x = (...values: number[]): Tensors => ({
  x: tensor('float32', [values.length / 3, 3], Float32Array.from(values)),
});
/** Keeps a runner busy for long, in a way it says is alive. */
const busy = (runner: Runner) => runner.measure(x(1, 2, 3), { warmup: 0, iterations: 5_000_000 });
const settled = async (calls: readonly Promise<unknown>[]): Promise<unknown[]> =>
  (await Promise.allSettled(calls)).map((call) =>
    call.status === 'rejected' ? (call.reason as { code: string }).code : 'ok',
  );

describe('a runner', () => {
  const taskset = ['/usr/bin/taskset', '/bin/taskset'].some((file) => existsSync(file));
  test.skipIf(!taskset)(`runs on the cores it is given${taskset ? '' : ' (skipped: no taskset here)'}`, async () => {
    const [core = 0] = allowedCpus();
    const runner = await start(modelFile(relu), { cpus: [core] });
    const status = readFileSync(`/proc/${runner.pid}/status`, 'utf8');
    expect(/^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1]).toBe(`${core}`);
    await expect(runner.run(x(1, -1, 0))).resolves.toBeDefined();
  });

  test('answers calls in order, as many as come at once', async () => {
    const runner = await start(modelFile(relu));
    expect(runner.signature.inputs).toEqual([{ name: 'x', dtype: 'float32', shape: ['N', 3] }]);
    const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => runner.run(x(index, -1, 0.5))));
    expect(answers.map(({ y }) => Array.from(y!.data as Float32Array))).toEqual(
      answers.map((_, index) => [index, 0, 0.5]),
    );
    expect(runner.loadMs).toBeGreaterThan(0);
  });

  test.each([true, false])('carries large, small and empty tensors (shared memory: %s)', async (withShared) => {
    const world = {
      clock: systemClock,
      spawn: ((model, logger) => {
        const real = spawnRunner(model, logger);
        return withShared ? real : { ...real, shared: null };
      }) satisfies typeof spawnRunner,
    };
    const runner = await start(modelFile(identity('float32')), {}, world);
    const of = (length: number, seed: number): Tensor =>
      tensor(
        'float32',
        [length],
        Float32Array.from({ length }, (_, index) => index + seed),
      );
    const calls = [2_000_000, 3, 0, 12_288, 12_287, 100_000, 1, 2_000_000].map((length, seed) => of(length, seed));
    const answers = await Promise.all(calls.map((call) => runner.run({ x: call })));
    for (const [index, { y }] of answers.entries()) {
      expect(
        Buffer.compare(
          Buffer.from(
            (y!.data as Float32Array).buffer,
            (y!.data as Float32Array).byteOffset,
            (y!.data as Float32Array).byteLength,
          ),
          Buffer.from((calls[index]!.data as Float32Array).buffer),
        ),
      ).toBe(0);
    }
  });

  test('refuses inputs that do not fit, and answers the next call', async () => {
    const runner = await start(modelFile(relu));
    await expect(runner.run({})).rejects.toMatchObject({ code: 'TENSOR_INVALID' });
    await expect(runner.run({ x: tensor('float32', [1, 4], new Float32Array(4)) })).rejects.toMatchObject({
      code: 'TENSOR_INVALID',
    });
    await expect(runner.run({ ...x(1, 2, 3), z: tensor('bool', [1], Uint8Array.of(1)) })).rejects.toMatchObject({
      code: 'TENSOR_INVALID',
    });
    expect((await runner.run(x(-1, 2, 3)))['y']?.data).toEqual(Float32Array.of(0, 2, 3));
  });

  test('survives a call on which the engine fails', async () => {
    const runner = await start(modelFile(gather));
    const call = (at: bigint) =>
      runner.run({
        table: tensor('float32', [1], Float32Array.of(5)),
        index: tensor('int64', [1], BigInt64Array.of(at)),
      });
    const [bad, good] = [call(9n), call(0n)];
    await expect(bad).rejects.toMatchObject({ code: 'INFERENCE_FAILED', params: { model: 'tiny' } });
    expect((await good)['y']?.data).toEqual(Float32Array.of(5));
  });

  test('measures inside, and tells its memory while it executes', async () => {
    const runner = await start(modelFile(relu));
    const [{ timesMs }, memory] = await Promise.all([
      runner.measure(x(1, 2, 3), { warmup: 5, iterations: 100 }),
      runner.memory(),
    ]);
    expect(timesMs).toHaveLength(100);
    expect(timesMs.every((time) => time >= 0)).toBe(true);
    expect(memory.rssBytes).toBeGreaterThan(10_000_000);
    expect(memory.peakRssBytes).toBeGreaterThanOrEqual(memory.rssBytes);
  });

  test('stops after what it was given, and takes nothing more', async () => {
    const runner = await start(modelFile(relu));
    const calls = [1, 2, 3, 4].map((value) => runner.run(x(value, 0, 0)));
    await runner.stop();
    expect(await settled(calls)).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect(await runner.exited).toEqual({ reason: 'stopped', detail: 'exit code 0' });
    await expect(runner.run(x(1, 2, 3))).rejects.toMatchObject({ code: 'RUNNER_GONE' });
  });

  test('killed: the executing call is lost, the others had not begun', async () => {
    const runner = await start(modelFile(relu));
    const calls = [busy(runner), runner.run(x(1, 2, 3)), runner.run(x(1, 2, 3))];
    process.kill(runner.pid, 'SIGKILL');
    expect(await settled(calls)).toEqual(['RUNNER_LOST', 'RUNNER_GONE', 'RUNNER_GONE']);
    expect(await runner.exited).toEqual({ reason: 'killed', detail: 'signal SIGKILL' });
  });

  test('that hangs is killed, idle or not', async () => {
    for (const idle of [true, false]) {
      const runner = await start(modelFile(relu), { hangTimeoutMs: 300 });
      process.kill(runner.pid, 'SIGSTOP');
      const calls = idle ? [] : [runner.run(x(1, 2, 3))];
      expect((await runner.exited).reason).toBe('hang');
      expect(await settled(calls)).toEqual(idle ? [] : ['RUNNER_LOST']);
    }
  });

  test('that is only busy is not killed', async () => {
    const runner = await start(modelFile(relu), { hangTimeoutMs: 400 });
    const { timesMs } = await runner.measure(x(1, 2, 3), { warmup: 0, iterations: 100_000 });
    expect(timesMs).toHaveLength(100_000);
  });

  test('that sends nonsense is ended, and nothing else', async () => {
    const runner = await start(
      modelFile(relu),
      {},
      {
        clock: systemClock,
        spawn: (model, logger) => {
          const real = spawnRunner(model, logger);
          setTimeout(
            () =>
              real.socket.emit(
                'data',
                Buffer.from([8, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, ...Buffer.from('not JSON')]),
              ),
            0,
          );
          return real;
        },
      },
    ).catch((error: unknown) => error);
    expect(runner).toMatchObject({
      code: 'RUNNER_START_FAILED',
      params: { problem: expect.stringContaining('makes no sense') as string },
    });
  });

  test('ignores the signals a terminal sends to everyone', async () => {
    const runner = await start(modelFile(relu));
    process.kill(runner.pid, 'SIGINT');
    process.kill(runner.pid, 'SIGTERM');
    expect((await runner.run(x(1, 2, 3)))['y']?.shape).toEqual([1, 3]);
  });

  test('ends with its parent', async () => {
    const script = `
      import { startRunner } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
      const runner = await startRunner({ model: 'tiny', path: ${JSON.stringify(modelFile(relu))}, session: {} });
      process.stdout.write(String(runner.pid));`;
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pid = await new Promise<number>((resolve) =>
      parent.stdout.once('data', (data: Buffer) => resolve(Number(data))),
    );
    parent.kill('SIGKILL');
    await expect
      .poll(() => existsSync(`/proc/${pid}`) && !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z '), {
        timeout: 10_000,
      })
      .toBe(false);
  });
});

describe('a runner that cannot start', () => {
  test('says what is wrong with the model', async () => {
    await expect(start(temporaryFile('not a model'))).rejects.toMatchObject({ code: 'MODEL_FORMAT' });
    await expect(start('/nowhere/model.onnx')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  test('says so when it takes too long, and leaves no process', async () => {
    await expect(start(modelFile(relu), { startTimeoutMs: 1 })).rejects.toMatchObject({
      code: 'RUNNER_START_FAILED',
      params: { problem: expect.stringContaining('not ready within 1 ms') as string },
    });
  });

  test('can be called off', async () => {
    const signal = AbortSignal.abort();
    await expect(start(modelFile(relu), { signal })).rejects.toMatchObject({ code: 'RUNNER_START_FAILED' });
  });
});

describe('golden samples', () => {
  async function release(expected: readonly number[], count = 2): Promise<string> {
    const directory = temporaryDirectory();
    const model = tinyModel(relu);
    const golden = writeNpz([
      ['input/x', tensor('float32', [2, 3], Float32Array.of(-1, 2, 3, 4, -5, 6))],
      ['output/y', tensor('float32', [2, 3], Float32Array.from(expected))],
    ]);
    const file = (name: string, role: 'model' | 'golden', content: Uint8Array) => {
      temporaryFile(content, name, directory);
      return { path: name, role, digest: digestOf(content), size: content.byteLength };
    };
    const spec = (name: string) => ({ name, dtype: 'float32', shape: ['batch', 3] }) as const;
    const manifest: Manifest = {
      schema: 'slipway.model/v1',
      name: 'tiny',
      engine: 'onnxruntime',
      entry: 'model.onnx',
      files: [file('model.onnx', 'model', model), file('golden.npz', 'golden', golden)],
      signature: { inputs: [spec('x')], outputs: [spec('y')] },
      golden: { file: 'golden.npz', count, tolerance: { absolute: 0.001, relative: 0 } },
      lineage: { source: { file: 'model.onnx', digest: digestOf(model) }, data: {}, steps: [], tools: {} },
    };
    await writeManifest(directory, manifest);
    return directory;
  }

  test('are reproduced before a release is ready; the manifest gives the signature', async () => {
    const runner = await start(await release([0, 2, 3, 4, 0, 6.0005]));
    expect(runner.signature.inputs[0]?.shape).toEqual(['batch', 3]);
  });

  test('that are not reproduced refuse the release, naming row and value', async () => {
    const directory = await release([0, 2, 3, 4, 0, 7]);
    await expect(start(directory)).rejects.toMatchObject({
      code: 'GOLDEN_MISMATCH',
      params: { sample: 1, output: 'y', problem: 'element 5 is 6, expected 7 ± 0.00100' },
    });
    await start(directory, { golden: false });
  });

  test('do not excuse a manifest that contradicts the model', async () => {
    const directory = await release([0, 2, 3, 4, 0, 6]);
    const manifest = JSON.parse(readFileSync(path.join(directory, 'slipway.json'), 'utf8')) as Manifest;
    const outputs = manifest.signature.outputs.map((spec) => ({ ...spec, name: 'z' }));
    await writeManifest(directory, { ...manifest, signature: { ...manifest.signature, outputs } });
    await expect(start(directory)).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
  });

  test('must be as many as the manifest says', async () => {
    await expect(start(await release([0, 2, 3, 4, 0, 6], 3))).rejects.toMatchObject({ code: 'GOLDEN_MISMATCH' });
  });
});

const squeezenet = path.join(import.meta.dirname, '../../../../shared/data/onnx-light/light_squeezenet.onnx');
describe.skipIf(!existsSync(squeezenet))('squeezenet (skipped without the shared test data)', () => {
  test('starts and classifies', async () => {
    const runner = await start(squeezenet);
    const [spec] = runner.signature.inputs;
    const { [runner.signature.outputs[0]!.name]: y } = await runner.run({
      [spec!.name]: tensor('float32', [1, 3, 224, 224], new Float32Array(150_528).fill(0.5)),
    });
    expect((y!.data as Float32Array).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 3);
  });
});
