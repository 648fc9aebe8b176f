import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { float16ToNumber, numbersToFloat16, type Tensor, tensor } from '@slipway/core';
import { gather, identity, modelFile, node, relu, temporaryDirectory, value } from '../testing/tiny-onnx.ts';
import { openOnnxruntime } from './engine.ts';
import type { SessionOptions } from '../engine.ts';

const OPTIONS: SessionOptions = { threads: 1, spinning: false, optimization: 'all' };

describe('onnxruntime engine', () => {
  const samples: readonly Tensor[] = [
    tensor('bool', [3], Uint8Array.of(1, 0, 1)),
    tensor('uint8', [2], Uint8Array.of(0, 255)),
    tensor('uint16', [2], Uint16Array.of(0, 65_535)),
    tensor('uint32', [2], Uint32Array.of(0, 2 ** 32 - 1)),
    tensor('uint64', [2], BigUint64Array.of(0n, 2n ** 64n - 1n)),
    tensor('int8', [2], Int8Array.of(-128, 127)),
    tensor('int16', [2], Int16Array.of(-32_768, 32_767)),
    tensor('int32', [2], Int32Array.of(-(2 ** 31), 2 ** 31 - 1)),
    tensor('int64', [2], BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n)),
    tensor('float16', [3], numbersToFloat16([0.5, -1, Infinity])),
    tensor('float32', [4], Float32Array.of(0.1, -0, Infinity, NaN)),
    tensor('float64', [2], Float64Array.of(0.1, 1e300)),
    tensor('string', [3], ['', 'naïve 🚢', 'a b']),
    tensor('float32', [0], new Float32Array(0)),
    tensor('string', [0], []),
  ];
  test.each(samples.map((sample) => [`${sample.dtype}[${sample.shape.join()}]`, sample] as const))(
    'brings %s in and out unchanged',
    async (_, sample) => {
      const engine = await openOnnxruntime();
      const session = await engine.load(modelFile(identity(sample.dtype)), OPTIONS);
      expect(session.signature.inputs).toEqual([{ name: 'x', dtype: sample.dtype, shape: ['N'] }]);
      const { y } = await session.run({ x: sample });
      expect(y).toEqual(sample);
      await session.release();
    },
  );

  test('computes with float16 and reads views where they lie', async () => {
    const engine = await openOnnxruntime();
    const half = {
      nodes: [node('Relu', ['x'], ['y'])],
      inputs: [value('x', 'float16', ['N'])],
      outputs: [value('y', 'float16', ['N'])],
    };
    const session = await engine.load(modelFile(half), OPTIONS);
    const all = numbersToFloat16([9, 9, -2, 0.25, 9]);
    const { y } = await session.run({ x: tensor('float16', [2], all.subarray(2, 4)) });
    expect(Array.from(y!.data as Uint16Array, float16ToNumber)).toEqual([0, 0.25]);
  });

  test('describes symbolic, unknown and absent dimensions', async () => {
    const engine = await openOnnxruntime();
    const shaped = (dims: (number | string)[] | null) =>
      modelFile({
        nodes: [node('Relu', ['x'], ['y'])],
        inputs: [value('x', 'float32', dims)],
        outputs: [value('y', 'float32', dims)],
      });
    const shapeOf = async (dims: (number | string)[] | null) =>
      (await engine.load(shaped(dims), OPTIONS)).signature.inputs[0]?.shape;
    expect(await shapeOf(['batch', '', 4])).toEqual(['batch', '?', 4]);
    expect(await shapeOf(null)).toBeNull();
    expect(await shapeOf([])).toBeNull();
  });

  test('reports what the engine fails on as INFERENCE_FAILED', async () => {
    const session = await (await openOnnxruntime()).load(modelFile(gather), OPTIONS);
    const table = tensor('float32', [2], Float32Array.of(1, 2));
    const index = (at: bigint) => tensor('int64', [1], BigInt64Array.of(at));
    await expect(session.run({ table, index: index(7n) })).rejects.toMatchObject({
      code: 'INFERENCE_FAILED',
      params: { problem: expect.stringContaining('indices element out of data bounds') as string },
    });
    expect((await session.run({ table, index: index(1n) }))['y']?.data).toEqual(Float32Array.of(2));
  });

  test('writes the optimized model when asked', async () => {
    const saved = path.join(temporaryDirectory(), 'optimized.onnx');
    const engine = await openOnnxruntime();
    await engine.load(modelFile(relu), { ...OPTIONS, optimization: 'basic', saveOptimizedTo: saved });
    expect(statSync(saved).size).toBeGreaterThan(0);
    const again = await engine.load(saved, OPTIONS);
    expect(again.signature.inputs[0]?.name).toBe('x');
  });

  test('names its version', async () => {
    const manifest = JSON.parse(readFileSync(path.join(import.meta.dirname, '../../package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    expect((await openOnnxruntime()).version).toBe(manifest.dependencies['onnxruntime-node']);
  });
});
