import { type Tensor, tensor, type Tensors, type Transforms, transform } from '@slipway/core';
import { buildModel, intAttribute, type Model } from '@slipway/onnx';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runningContext } from '../passes/testing/context.ts';
import { dump } from '../passes/testing/dump.ts';
import { floats, relativeError, runModel, uniform } from '../passes/testing/run.ts';
import { fuseTransforms } from './fuse.ts';

/** Scores of 3 classes from an image of 2 × 2 pixels, channels first. */
function imageModel(opset = 17): Model {
  return buildModel(
    (b) => {
      const x = b.input('image', 'float32', ['n', 3, 2, 2]);
      const flat = b.op('Flatten', [x]);
      const w = b.floats('w', [12, 3], uniform(36, 3));
      b.output(b.op('MatMul', [flat, w], { outputs: ['scores'] }), 'float32', ['n', 3]);
    },
    { opset },
  );
}

const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];
const photo = [
  transform.decodeImage({ from: 'photo', to: 'image' }),
  transform.resize({ from: 'image', size: [2, 2] }),
  transform.normalize({ from: 'image', scale: 1 / 255, mean: MEAN, std: STD }),
  transform.transpose({ from: 'image', order: [2, 0, 1] }),
];
const run = async (model: Model, inputs: Tensors): Promise<Tensors> => {
  using context = runningContext();
  return await runModel(model, inputs, context);
};
const numbers = (value: Tensor | undefined): number[] => Array.from(value?.data as ArrayLike<number>, Number);

/** The steps as their definition says, one element after the other. */
function reference(pixels: Uint8Array, rows: number): Tensor {
  const data = new Float32Array(rows * 12);
  for (let row = 0; row < rows; row++) {
    for (let pixel = 0; pixel < 4; pixel++) {
      for (let channel = 0; channel < 3; channel++) {
        const value = pixels[row * 12 + pixel * 3 + channel]! / 255;
        data[row * 12 + channel * 4 + pixel] = (value - MEAN[channel]!) / STD[channel]!;
      }
    }
  }
  return tensor('float32', [rows, 3, 2, 2], data);
}

describe('fusing input steps', () => {
  it('lets the model take pixels, and leaves to the server what ONNX cannot do', async () => {
    const fused = fuseTransforms(imageModel(), { inputs: photo }, null);
    expect(fused.rest).toEqual({ inputs: photo.slice(0, 2) });
    await expect(dump(fused.model)).toMatchFileSnapshot('golden/image.txt');
    expect(fused.notes).toEqual([
      'Computed inside the model: normalize of "image", transpose of "image".',
      'Left to the server: decodeImage of "photo", resize of "image".',
    ]);
    const pixels = Uint8Array.from({ length: 24 }, (_, i) => (i * 37) % 256);
    const expected = await run(imageModel(), { image: reference(pixels, 2) });
    const actual = await run(fused.model, { image: tensor('uint8', [2, 2, 2, 3], pixels) });
    expect(relativeError(actual['scores'], expected['scores'])).toBeLessThan(1e-6);
  });

  it('gives what the steps give, for any options', async () => {
    const number = fc.double({ min: 0.25, max: 4, noNaN: true });
    const options = fc.record({
      scale: number,
      mean: fc.oneof(number, fc.array(number, { minLength: 3, maxLength: 3 })),
      std: fc.oneof(number, fc.array(number, { minLength: 3, maxLength: 3 })),
      axis: fc.constantFrom(0, -3),
      dtype: fc.constantFrom('uint8' as const, 'int32' as const, 'float32' as const),
    });
    await fc.assert(
      fc.asyncProperty(options, fc.integer({ min: 1, max: 3 }), async (given, rows) => {
        const step = transform.normalize({ from: 'image', ...given });
        const fused = fuseTransforms(imageModel(), { inputs: [step] }, null);
        const raw = Array.from({ length: rows * 12 }, (_, i) => (i * 29) % 100);
        const at = (value: number | number[], i: number): number =>
          typeof value === 'number' ? value : value[Math.floor(i / 4) % 3]!;
        const transformed = Float32Array.from(raw, (x, i) => (x * given.scale - at(given.mean, i)) / at(given.std, i));
        const shape = [rows, 3, 2, 2];
        const data = { uint8: Uint8Array, int32: Int32Array, float32: Float32Array }[given.dtype].from(raw);
        const expected = await run(imageModel(), { image: tensor('float32', shape, transformed) });
        const actual = await run(fused.model, { image: { dtype: given.dtype, shape, data } as Tensor });
        expect(relativeError(actual['scores'], expected['scores'])).toBeLessThan(1e-5);
      }),
      { numRuns: 25 },
    );
  });

  it('stops at a step that has to run outside, and takes nothing from before it', () => {
    const inputs = [
      transform.normalize({ from: 'image', dtype: 'float32', scale: 2 }),
      transform.decodeImage({ from: 'photo', to: 'other' }),
    ];
    expect(fuseTransforms(imageModel(), { inputs: inputs.slice(0, 1) }, null).rest).toEqual({});
    const two = buildModel((b) => {
      const a = b.input('a', 'int64', ['n', 's']);
      const x = b.input('image', 'float32', ['n', 's']);
      b.output(
        b.op('Mul', [b.op('Cast', [a], { attributes: [intAttribute('to', 1)] }), x], { outputs: ['y'] }),
        'float32',
        ['n', 's'],
      );
    });
    const mixed: Transforms = {
      inputs: [transform.tokenize({ from: 'text', tokenizer: 't.json', ids: 'a' }), inputs[0]!],
    };
    expect(fuseTransforms(two, mixed, null).rest.inputs).toEqual([mixed.inputs![0]]);
  });
});

describe('fusing output steps', () => {
  const labels = ['cat', 'dog', 'eel'];
  const outputs = [transform.softmax({ from: 'scores' }), transform.classify({ from: 'scores' })];

  it('answers with names and scores', async () => {
    const fused = fuseTransforms(imageModel(), { outputs }, labels);
    expect(fused.rest).toEqual({});
    await expect(dump(fused.model)).toMatchFileSnapshot('golden/classify.txt');
    const x = floats([4, 3, 2, 2], 7);
    const scores = numbers((await run(imageModel(), { image: x }))['scores']);
    const answer = await run(fused.model, { image: x });
    expect(Object.keys(answer)).toEqual(['label', 'score']);
    for (let row = 0; row < 4; row++) {
      const own = scores.slice(row * 3, row * 3 + 3).map(Math.exp);
      const sum = own.reduce((total, one) => total + one, 0);
      const best = own.indexOf(Math.max(...own));
      expect(answer['label']!.data[row]).toBe(labels[best]);
      expect(numbers(answer['score'])[row]).toBeCloseTo(own[best]! / sum, 5);
    }
  });

  it('answers with the best few, the best first, as indices where there are no names', async () => {
    const step = transform.classify({ from: 'scores', top: 2, label: 'classes', score: 'confidence' });
    const fused = fuseTransforms(imageModel(), { outputs: [step] }, null);
    const x = floats([4, 3, 2, 2], 9);
    const scores = numbers((await run(imageModel(), { image: x }))['scores']);
    const answer = await run(fused.model, { image: x });
    expect(answer['classes']).toMatchObject({ dtype: 'int64', shape: [4, 2] });
    const order = [0, 1, 2, 3].flatMap((row) =>
      [0, 1, 2].sort((a, b) => scores[row * 3 + b]! - scores[row * 3 + a]!).slice(0, 2),
    );
    expect(numbers(answer['classes'])).toEqual(order);
    expect(numbers(answer['confidence'])).toEqual(order.map((index, i) => scores[Math.floor(i / 2) * 3 + index]));
    const named = await run(fuseTransforms(imageModel(), { outputs: [step] }, labels).model, { image: x });
    expect(named['classes']!.data).toEqual(order.map((index) => labels[index]));
  });

  it.each([['a mask', 'mask'] as const, ['none', undefined] as const])('pools tokens with %s', async (_, mask) => {
    const model = buildModel((b) => {
      const x = b.input('x', 'float32', ['n', 's', 2]);
      b.input('mask', 'int64', ['n', 's']);
      b.output(b.op('Identity', [x], { outputs: ['hidden'] }), 'float32', ['n', 's', 2]);
    });
    const steps = [
      transform.meanPool({ from: 'hidden', to: 'vector', ...(mask === undefined ? {} : { mask }) }),
      transform.l2Normalize({ from: 'vector' }),
    ];
    const fused = fuseTransforms(model, { outputs: steps }, null);
    expect(fused.rest).toEqual({});
    const x = tensor('float32', [2, 3, 2], Float32Array.of(3, 0, 0, 4, 9, 9, 0, 0, 0, 0, 0, 0));
    const seen = tensor('int64', [2, 3], BigInt64Array.of(1n, 1n, 0n, 0n, 0n, 0n));
    const vector = numbers((await run(fused.model, { x, mask: seen }))['vector']);
    const [a, b] = mask === undefined ? [12, 13] : [3, 4];
    const length = Math.hypot(a, b);
    // The second row is zero, and masked altogether: zero, never NaN.
    [a / length, b / length, 0, 0].forEach((value, i) => expect(vector[i]).toBeCloseTo(value, 5));
  });

  it('changes the order of axes of any output', async () => {
    const picture = buildModel((b) => {
      const x = b.input('x', 'int32', ['n', 2, 3]);
      b.output(b.op('Abs', [x], { outputs: ['y'] }), 'int32', ['n', 2, 3]);
    });
    const { model, rest } = fuseTransforms(
      picture,
      { outputs: [transform.transpose({ from: 'y', order: [1, 0] })] },
      null,
    );
    expect(rest).toEqual({});
    const { y } = await run(model, { x: tensor('int32', [1, 2, 3], Int32Array.of(1, 2, 3, 4, 5, 6)) });
    expect(y).toEqual(tensor('int32', [1, 3, 2], Int32Array.of(1, 4, 2, 5, 3, 6)));
  });

  it('raises an old operator set to what it needs', async () => {
    const fused = fuseTransforms(imageModel(9), { outputs }, labels);
    expect(fused.model.opsets.get('')).toBe(13);
    expect((await run(fused.model, { image: floats([1, 3, 2, 2], 1) }))['label']!.dtype).toBe('string');
  });

  it('leaves names to the server where the model imports an operator set without them', () => {
    const old = buildModel(
      (b) => {
        const x = b.input('x', 'float32', ['n', 3]);
        b.output(b.op('Relu', [x], { outputs: ['scores'] }), 'float32', ['n', 3]);
      },
      { imports: { 'ai.onnx.ml': 1 } },
    );
    expect(fuseTransforms(old, { outputs }, labels).rest).toEqual({ outputs: outputs.slice(1) });
  });
});
