/**
 * Mean intersection over union, the measure of PASCAL VOC and Cityscapes: per class the pixels that are and are called the class over
 * those that are or are called it, over all pictures at once; then the mean over the classes that occur in either.
 */
import type { MetricCall, MetricSpec, Tensor } from '@slipway/core';
import { floatReader } from '../floats.ts';
import type { Kept } from '../kept.ts';
import type { Metric, MetricContext } from '../metric.ts';
import { labelsOf, mismatch, type Numeric, numeric, outputOf, rowShape, shapeOf } from './read.ts';

type Spec = Extract<MetricSpec, { metric: 'iou' }>;

/** "void" of PASCAL VOC: borders that nobody has labelled. */
const IGNORE = 255;

export function segmentation(name: string, spec: Spec, context: MetricContext): Metric {
  const output = spec.output ?? context.output;
  const ignore = spec.ignore ?? IGNORE;
  return {
    name,
    unit: 'share',
    better: 'higher',
    needsLabels: true,
    isProportion: false,
    byClass: false,
    resamples: true,
    figure: meanOverlap,
    reader: () => (call, keep) => {
      const labels = numeric(name, 'the label', labelsOf(name, call));
      const { pixels, classes, at } = classMap(name, output, outputOf(name, call, output), call);
      if (labels.data.length !== call.rows * pixels) {
        throw mismatch(
          `${name} needs a label per pixel: labels are ${shapeOf(labels)} for ${call.rows} rows of ${pixels} pixels`,
        );
      }
      const label = floatReader(labels);
      for (let row = 0; row < call.rows; row++) {
        const overlap = new Map<number, { both: number; either: number }>();
        const count = (index: number): { both: number; either: number } => {
          const own = overlap.get(index) ?? { both: 0, either: 0 };
          overlap.set(index, own);
          return own;
        };
        for (let pixel = 0; pixel < pixels; pixel++) {
          const wanted = label(row * pixels + pixel);
          if (wanted === ignore) continue;
          if (!Number.isInteger(wanted) || wanted < 0 || (classes !== null && wanted >= classes)) {
            const known = classes === null ? 'whole numbers from 0 on' : `0 to ${classes - 1}, or ${ignore} to ignore`;
            throw mismatch(`${name}: a label of row ${call.firstRow + row} is ${wanted}; classes are ${known}`);
          }
          const given = at(row, pixel);
          const own = count(wanted);
          own.either++;
          if (given === wanted) own.both++;
          // No answer (−1) is a miss of the wanted class and of no other.
          else if (given >= 0) count(given).either++;
        }
        keep([...overlap].flatMap(([index, { both, either }]) => [index, both, either]));
      }
    },
  };
}

interface ClassMap {
  readonly pixels: number;
  /** null when the output is the class itself. */
  readonly classes: number | null;
  readonly at: (row: number, pixel: number) => number;
}

/** [rows, classes, …] scores, or [rows, …] classes. */
function classMap(name: string, output: string, tensor: Tensor, call: MetricCall): ClassMap {
  const value: Numeric = numeric(name, `output "${output}"`, tensor);
  const shape = rowShape(value, call.rows);
  const read = floatReader(value);
  const product = (dims: readonly number[]): number => dims.reduce((all, dim) => all * dim, 1);
  if (shape !== null && !value.dtype.startsWith('float')) {
    const pixels = product(shape);
    return { pixels, classes: null, at: (row, pixel) => read(row * pixels + pixel) };
  }
  const [classes = 0, ...rest] = shape ?? [];
  if (classes < 2 || rest.length === 0) {
    throw mismatch(
      `${name} cannot be read from output "${output}" (${shapeOf(value)} for ${call.rows} rows): it needs [rows, classes, height, width] scores, or whole numbers per pixel`,
    );
  }
  const pixels = product(rest);
  const best = (row: number, pixel: number): number => {
    let [found, largest] = [-1, -Infinity];
    for (let index = 0; index < classes; index++) {
      const score = read((row * classes + index) * pixels + pixel);
      if (score > largest) [found, largest] = [index, score];
    }
    return found;
  };
  return { pixels, classes, at: best };
}

function meanOverlap({ rows, values, starts }: Kept): (weights: Uint32Array) => number {
  return (weights) => {
    const both = new Map<number, number>();
    const either = new Map<number, number>();
    for (let row = 0; row < rows; row++) {
      const weight = weights[row] ?? 0;
      if (weight === 0) continue;
      for (let at = starts[row] ?? 0; at < (starts[row + 1] ?? 0); at += 3) {
        const index = values[at] ?? 0;
        both.set(index, (both.get(index) ?? 0) + weight * (values[at + 1] ?? 0));
        either.set(index, (either.get(index) ?? 0) + weight * (values[at + 2] ?? 0));
      }
    }
    let sum = 0;
    for (const [index, union] of either) sum += (both.get(index) ?? 0) / union;
    return sum / either.size;
  };
}
