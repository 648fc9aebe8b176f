/** How far one tensor is from its counterpart, over several calls. Elements that are not finite in the first say nothing of the second. */
import type { Tensor, TensorError } from '@slipway/core';
import { floatReader } from '../floats.ts';
import { sqnr } from '../parity.ts';
import type { Reading } from './match.ts';

export interface ErrorMeter {
  /** False when they are of different shapes, and cannot be compared. */
  add(expected: Tensor, actual: Tensor): boolean;
  result(): TensorError;
}

export function errorMeter(source: Reading, candidate: Reading): ErrorMeter {
  let [signal, noise] = [0, 0];
  let notFinite: TensorError['notFinite'] = null;
  return {
    add(expected, actual) {
      if (expected.shape.join() !== actual.shape.join()) return false;
      const [first, second] = [valuesOf(expected, source), valuesOf(actual, candidate)];
      for (let i = 0; i < expected.data.length; i++) {
        const [s, c] = [first(i), second(i)];
        if (!Number.isFinite(s)) continue;
        if (Number.isFinite(c)) {
          signal += s * s;
          noise += (s - c) ** 2;
        } else if (notFinite !== 'NaN') notFinite = Number.isNaN(c) ? 'NaN' : 'infinite';
      }
      return true;
    },
    result: () => ({ sqnrDb: noise === 0 ? null : sqnr(signal, noise), notFinite }),
  };
}

function valuesOf(tensor: Tensor, { quantized }: Reading): (index: number) => number {
  if (tensor.dtype === 'string') return () => NaN;
  const read = floatReader(tensor);
  if (quantized === null) return read;
  const { scale, zeroPoint } = quantized;
  return (index) => (read(index) - zeroPoint) * scale;
}
