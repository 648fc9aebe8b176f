/** A trained MobileNet with one scale per weight: broken by its uneven channels, recovered by balancing them. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type PassSpec, randomStream, type Tensors } from '@slipway/core';
import type { Model } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { staticPass } from '../static/pass.ts';
import { offlineContext, runningContext } from '../testing/context.ts';
import { greyBitmap, personDetect } from '../testing/person-detect.ts';
import { datasetOf, runModel } from '../testing/run.ts';
import { equalisePass } from './pass.ts';

const data = path.resolve(import.meta.dirname, '../../../../../../shared/data/tflite');
const SIDE = 96;

/** So many variants of both images in turn: shifted, mirrored, brighter or darker, noisy. */
function variants(count: number, seed: number): Tensors {
  const images = ['person', 'no_person'].map((name) => greyBitmap(readFileSync(path.join(data, `${name}.bmp`))));
  const random = randomStream(seed);
  const between = (low: number, high: number): number => low + (high - low) * random();
  const x = new Float32Array(count * SIDE * SIDE);
  for (let row = 0; row < count; row++) {
    const image = images[row % 2] ?? new Float64Array();
    const [right, down] = [between(-12, 12), between(-12, 12)].map(Math.round);
    const [contrast, brightness, mirrored] = [between(0.6, 1.3), between(-30, 30), random() < 0.5];
    for (let i = 0; i < SIDE * SIDE; i++) {
      const column = ((i % SIDE) + (right ?? 0) + SIDE) % SIDE;
      const line = (Math.floor(i / SIDE) + (down ?? 0) + SIDE) % SIDE;
      const pixel = image[line * SIDE + (mirrored ? SIDE - 1 - column : column)] ?? NaN;
      const changed = Math.round((pixel - 128) * contrast + 128 + brightness + between(-7, 7));
      x[row * SIDE * SIDE + i] = (Math.min(255, Math.max(0, changed)) - 127) / 127.5;
    }
  }
  return { x: { dtype: 'float32', shape: [count, 1, SIDE, SIDE], data: x } };
}

async function logits(model: Model, inputs: Tensors): Promise<Float32Array> {
  using context = runningContext();
  return (await runModel(model, inputs, context))['y']?.data as Float32Array;
}

/** Signal to noise in dB, and the share of rows whose class is as expected. */
function compared(actual: Float32Array, expected: Float32Array): { readonly decibel: number; readonly same: number } {
  let [signal, noise, same] = [0, 0, 0];
  expected.forEach((value, i) => {
    signal += value ** 2;
    noise += (value - (actual[i] ?? NaN)) ** 2;
    const classOf = (of: Float32Array): boolean => (of[i + 1] ?? NaN) > (of[i] ?? NaN);
    if (i % 2 === 0 && classOf(actual) === classOf(expected)) same += 1;
  });
  return { decibel: 10 * Math.log10(signal / noise), same: (2 * same) / expected.length };
}

const FIRST = ['conv0', 'conv1', 'conv2', 'relu6_0', 'relu6_1'];

describe.skipIf(!existsSync(data))('quantize.equalise, on a trained MobileNet (needs ../shared/data)', () => {
  const model = existsSync(data)
    ? personDetect(readFileSync(path.join(data, 'person_detect.tflite')))
    : (undefined as unknown as Model);
  const equalise = async (only?: readonly string[]): Promise<Model> => {
    const spec: PassSpec = { pass: 'quantize.equalise', ...(only !== undefined && { only: [...only] }) };
    return (await equalisePass.apply(model, spec, offlineContext())).model;
  };
  const quantized = async (source: Model): Promise<Model> => {
    using context = runningContext(datasetOf(model, variants(64, 1)));
    return (await staticPass.apply(source, { pass: 'quantize.static', perChannel: false }, context)).model;
  };

  it('is the model it is said to be: a person is more of a person than none is', async () => {
    const images = ['person', 'no_person'].flatMap((name) => [
      ...greyBitmap(readFileSync(path.join(data, `${name}.bmp`))).map((pixel) => (pixel - 127) / 127.5),
    ]);
    const x = { dtype: 'float32', shape: [2, 1, SIDE, SIDE], data: Float32Array.from(images) } as const;
    const [noneFirst = NaN, personFirst = NaN, noneSecond = NaN, personSecond = NaN] = await logits(model, { x });
    // As float32 the first is a close call, and far from the second; no other runtime was at hand to compare with.
    expect(personFirst - noneFirst).toBeGreaterThan(personSecond - noneSecond + 1);
  });

  it('recovers one scale per weight, most where channels are furthest apart', async () => {
    const rows = variants(128, 2);
    const expected = await logits(model, rows);
    const score = async (source: Model): Promise<ReturnType<typeof compared>> =>
      compared(await logits(await quantized(source), rows), expected);
    expect(compared(await logits(await equalise(), rows), expected).decibel).toBeGreaterThan(80);
    const [plain, all, first] = [await score(model), await score(await equalise()), await score(await equalise(FIRST))];
    expect(all.decibel).toBeGreaterThan(plain.decibel + 8);
    expect(first.decibel).toBeGreaterThan(plain.decibel + 8);
    expect(first.same).toBeGreaterThan(plain.same + 0.1);
  });
});
