/**
 * How far the outputs of a candidate are from those of the source, over the same rows, accumulated batch by batch in constant
 * memory. Scale-aware figures (SQNR, cosine) because a fixed absolute tolerance is noise on logits in the
 * thousands and blind on probabilities.
 *
 * With several outputs the worst of them counts: a good first output must not hide a broken second one.
 */
import { fail, type Parity, type Tensor, type Tensors } from '@slipway/core';
import { classAxis, argmaxRows } from './classes.ts';
import { floatReader } from './floats.ts';

interface Sums {
  signal: number;
  noise: number;
  dot: number;
  candidate: number;
  largest: number;
}

export interface ParityMeter {
  /** Add the outputs of both models for the same `rows` rows. @throws INFERENCE_FAILED when the candidate breaks down */
  add(source: Tensors, candidate: Tensors, rows: number): void;
  result(): Parity;
}

/** @param classOutput the output whose largest value is the predicted class, if it has a class axis */
export function parityMeter(model: string, classOutput: string | null): ParityMeter {
  const sums = new Map<string, Sums>();
  let total = 0;
  let agreeing: number | null = null;

  const addOutput = (name: string, expected: Tensor, actual: Tensor, rows: number): void => {
    if (expected.data.length !== actual.data.length) {
      const problem = `output "${name}" has shape [${actual.shape.join(', ')}], the source gives [${expected.shape.join(', ')}]`;
      throw fail('INFERENCE_FAILED', { model, problem });
    }
    const sum = sums.get(name) ?? { signal: 0, noise: 0, dot: 0, candidate: 0, largest: 0 };
    sums.set(name, sum);
    accumulate(sum, expected, actual, model, name);
    if (name === classOutput && classAxis(expected.shape, rows) !== null) {
      const first = argmaxRows(expected, rows);
      const second = argmaxRows(actual, rows);
      agreeing ??= 0;
      for (let row = 0; row < rows; row++) if (first[row] === second[row]) agreeing++;
    }
  };

  return {
    add(source, candidate, rows) {
      total += rows;
      for (const [name, expected] of Object.entries(source)) {
        const actual = candidate[name];
        if (actual === undefined) throw fail('INFERENCE_FAILED', { model, problem: `output "${name}" is missing` });
        addOutput(name, expected, actual, rows);
      }
    },
    result() {
      let sqnrDb: number | null = null;
      let cosine = 1;
      let largest = 0;
      for (const sum of sums.values()) {
        largest = Math.max(largest, sum.largest);
        if (sum.noise === 0) continue;
        const own = sqnr(sum.signal, sum.noise);
        sqnrDb = sqnrDb === null ? own : Math.min(sqnrDb, own);
        const norms = Math.sqrt(sum.signal) * Math.sqrt(sum.candidate);
        cosine = Math.min(cosine, norms === 0 ? 0 : Math.min(1, sum.dot / norms));
      }
      const argmaxAgreement = agreeing === null ? null : agreeing / total;
      return { rows: total, sqnrDb, cosine, maxAbsoluteError: largest, argmaxAgreement };
    },
  };
}

/** Signal-to-quantization-noise ratio, dB: 10·log10(Σs² / Σ(s−c)²). A silent source has the ratio of least signal. */
export function sqnr(signal: number, noise: number): number {
  return 10 * Math.log10(Math.max(signal, Number.MIN_VALUE) / noise);
}

function accumulate(sum: Sums, expected: Tensor, actual: Tensor, model: string, name: string): void {
  if (expected.dtype === 'string' || actual.dtype === 'string') {
    // Text has no distance: a different answer is an error of one, its own signal of one.
    for (let i = 0; i < expected.data.length; i++) {
      const same = expected.data[i] === actual.data[i];
      sum.signal += 1;
      sum.candidate += 1;
      sum.dot += same ? 1 : 0;
      sum.noise += same ? 0 : 1;
      if (!same) sum.largest = 1;
    }
    return;
  }
  const first = floatReader(expected);
  const second = floatReader(actual);
  for (let i = 0; i < expected.data.length; i++) {
    const s = first(i);
    const c = second(i);
    // What the source itself does not compute (a mask of −∞, 0/0) says nothing about the candidate.
    if (!Number.isFinite(s)) continue;
    if (!Number.isFinite(c)) {
      throw fail('INFERENCE_FAILED', { model, problem: `output "${name}" is ${c} where the source gives ${s}` });
    }
    const error = Math.abs(s - c);
    sum.signal += s * s;
    sum.candidate += c * c;
    sum.dot += s * c;
    sum.noise += error * error;
    if (error > sum.largest) sum.largest = error;
  }
}
