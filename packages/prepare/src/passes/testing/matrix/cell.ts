/**
 * One cell of the matrix: a pass with options on a model. Either it refuses with one of our codes and a sentence, or its
 * result is a good model that loads, gives what was promised, and comes out the same the second time. What is neither is
 * told in words, so that a test can list all of it.
 */
import path from 'node:path';
import { bytesOf, castTensor, SlipwayError, type Tensor, type Tensors } from '@slipway/core';
import { assertModel, decodeModel, encodeModel, type Model, signatureOf, writeModelFile } from '@slipway/onnx';
import type { Pass } from '../../../pass.ts';
import { PASSES } from '../../index.ts';
import { runningContext } from '../context.ts';
import type { Option, Promised } from './specs.ts';
import type { Subject } from './subject.ts';

export type Outcome =
  | { readonly kind: 'ran'; readonly decibels: number }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'broken'; readonly problem: string };

type Optimization = 'none' | 'basic' | 'all';

/** Answers to all calls of a subject, in the engine as it is told to be. */
async function answers(
  model: Model,
  calls: readonly Tensors[],
  optimization: Optimization,
): Promise<readonly Tensors[]> {
  using context = runningContext();
  const file = path.join(context.workDirectory, 'model.onnx');
  await writeModelFile(file, model);
  const all: Tensors[] = [];
  for await (const outputs of context.runModel(file, calls, { optimization })) all.push(outputs);
  return all;
}

/** What the source answers, by how the engine is told to run it: computed once per subject. */
export type Expected = Readonly<Record<Optimization, readonly Tensors[]>>;

export async function expectedOf({ model, calls }: Subject): Promise<Expected> {
  return {
    none: await answers(model, calls, 'none'),
    basic: await answers(model, calls, 'basic'),
    all: await answers(model, calls, 'all'),
  };
}

const REFUSALS: ReadonlySet<string> = new Set(['PASS_NOT_APPLICABLE', 'UNSUPPORTED_OPERATOR', 'UNSUPPORTED_OPSET']);

class Broken extends Error {}
function broken(problem: string): never {
  throw new Broken(problem);
}

export async function tryCell(subject: Subject, { spec, promised }: Option, expected: Expected): Promise<Outcome> {
  const pass = PASSES[spec.pass] as Pass;
  const before = Buffer.from(encodeModel(subject.model));
  const apply = async (): Promise<Model> => {
    using context = runningContext(subject.calibration);
    const { model, notes } = await pass.apply(subject.model, spec, context);
    if (notes.length === 0) broken('says nothing of what it did');
    // While the directory of this application is there: large constants may be in a file of it.
    return decodeModel(encodeModel(model));
  };
  try {
    const assessment = pass.assess(subject.model);
    if (assessment.summary.length < 10) broken(`assessed in no words: "${assessment.summary}"`);
    let model: Model;
    try {
      model = await apply();
    } catch (error) {
      if (!(error instanceof SlipwayError)) broken(`throws ${String(error)}`);
      const { code, message } = error;
      if (!REFUSALS.has(code)) broken(`throws ${code}: ${message}`);
      if (message.length < 20) broken(`refuses in no words: "${message}"`);
      return { kind: 'refused', reason: message };
    }
    const bytes = Buffer.from(encodeModel(model));
    if (!Buffer.from(encodeModel(await apply())).equals(bytes)) broken('gives other bytes the second time');
    if (!Buffer.from(encodeModel(subject.model)).equals(before)) broken('changes the model it is given');
    assertModel(model, 'the result');
    const calls = subject.calls.map((call) => fitted(call, model));
    const measured = async (optimization: Optimization): Promise<Outcome> => {
      const actual = await answers(model, calls, optimization);
      return { kind: 'ran', decibels: compared(actual, expected[optimization], promised, subject.smooth) };
    };
    if (promised.kind !== 'exact') return await measured('all');
    // A weight that was computed and is a constant now is packed ahead, and then summed in another order, unless the
    // engine folds it in both.
    return await measured('none').catch(() => measured('basic'));
  } catch (error) {
    return { kind: 'broken', problem: error instanceof Broken ? error.message : String(error) };
  }
}

/** Inputs in the types the model takes: a pass may have been asked to change those from float32 to float16. */
function fitted(call: Tensors, model: Model): Tensors {
  const entries = signatureOf(model).inputs.map(({ name, dtype }) => {
    const given = call[name] ?? broken(`has an input "${name}" that the source has not`);
    return [name, given.dtype === dtype ? given : castTensor(given, dtype, name)] as const;
  });
  return Object.fromEntries(entries);
}

const numbersOf = (tensor: Tensor): readonly number[] =>
  tensor.dtype === 'string'
    ? []
    : tensor.dtype === 'float16'
      ? Array.from(castTensor(tensor, 'float32', 'output').data, Number)
      : Array.from(tensor.data, Number);

/** The worst signal-to-noise ratio of any output, dB. */
function compared(
  actual: readonly Tensors[],
  expected: readonly Tensors[],
  promised: Promised,
  smooth: boolean,
): number {
  let worst = Infinity;
  for (const name of Object.keys(expected[0] ?? {})) {
    let [signal, noise, largest, furthest] = [0, 0, 0, 0];
    for (const [call, outputs] of expected.entries()) {
      const want = outputs[name] ?? broken(`answers with or without "${name}"`);
      const got = actual[call]?.[name] ?? broken(`has no output "${name}"`);
      const isHalf = want.dtype === 'float32' && got.dtype === 'float16';
      if (got.dtype !== want.dtype && !isHalf) broken(`output "${name}" is ${got.dtype}, was ${want.dtype}`);
      if (got.shape.join() !== want.shape.join()) {
        broken(`output "${name}" is [${got.shape.join()}], was [${want.shape.join()}]`);
      }
      if (want.dtype === 'string' || got.dtype === 'string') {
        if (String(got.data) !== String(want.data)) {
          broken(`output "${name}" is ${String(got.data)}, was ${String(want.data)}`);
        }
        continue;
      }
      if (promised.kind === 'exact' && Buffer.compare(bytesOf(got.data), bytesOf(want.data)) !== 0) {
        broken(
          `output "${name}" has other bits: ${numbersOf(got).slice(0, 4).join()}, were ${numbersOf(want).slice(0, 4).join()}`,
        );
      }
      const [wanted, given] = [numbersOf(want), numbersOf(got)];
      wanted.forEach((value, i) => {
        const found = given[i] ?? NaN;
        if (Number.isFinite(value) !== Number.isFinite(found)) broken(`output "${name}" holds ${found}, was ${value}`);
        if (!Number.isFinite(value)) return;
        signal += value ** 2;
        noise += (value - found) ** 2;
        largest = Math.max(largest, Math.abs(value));
        furthest = Math.max(furthest, Math.abs(value - found));
      });
    }
    // Of an output that is zero but for rounding, nothing can be said in proportion to it.
    if (largest < 1e-6) continue;
    const decibels = noise === 0 ? Infinity : 10 * Math.log10(signal / noise);
    worst = Math.min(worst, decibels);
    if (!smooth) continue;
    if (promised.kind === 'noise' && decibels < promised.decibels) {
      broken(`output "${name}" is ${decibels.toFixed(1)} dB above the error, of ${promised.decibels} promised`);
    }
    if (promised.kind === 'rounding' && furthest > promised.relative * largest) {
      broken(`output "${name}" is off by ${(furthest / largest).toExponential(1)} of its largest value`);
    }
  }
  return worst;
}
