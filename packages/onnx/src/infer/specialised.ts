/** Operators of one field each: signals, images and grids, text, attention of the standard set. */
import { dtypeFromCode } from '../ir/dtype.ts';
import { getInt, getInts, getString } from '../ir/node.ts';
import { type Dim, isFixed, type Shape, tensorType, UNKNOWN_DIM } from '../ir/type.ts';
import { broadcast, CannotInfer, type NodeContext, normalAxis, type Rule, unknowns } from './context.ts';

/** Sizes given as a small integer input; unknown ones where they are not known. */
function sizesOf(c: NodeContext, index: number, count: number): readonly Dim[] {
  return c.value(index)?.elements ?? unknowns(count);
}

const scalar = (c: NodeContext, index: number): Dim => c.value(index)?.elements[0] ?? UNKNOWN_DIM;

/** Bins of a spectrum of `length` samples, half of them when the signal is real. */
const bins = (length: Dim, onesided: boolean): Dim =>
  !onesided ? length : isFixed(length) ? Math.floor(length / 2) + 1 : UNKNOWN_DIM;

const dft: Rule = (c) => {
  const shape = c.shape(0);
  if (shape === null) return [tensorType(c.dtype(0), null)];
  const given = c.opset < 20 ? getInt(c.node, 'axis', 1) : c.has(2) ? scalar(c, 2) : -2;
  const length = c.has(1) ? scalar(c, 1) : null;
  const onesided = getInt(c.node, 'onesided', 0) === 1;
  const inverse = getInt(c.node, 'inverse', 0) === 1;
  const dims: Dim[] = isFixed(given) ? [...shape] : unknowns(shape.length);
  if (isFixed(given)) {
    const axis = normalAxis(given, shape.length);
    const samples = shape[axis] ?? UNKNOWN_DIM;
    // The inverse of half a spectrum is the whole signal.
    const whole = length ?? (isFixed(samples) ? 2 * (samples - 1) : UNKNOWN_DIM);
    dims[axis] = inverse && onesided ? whole : bins(length ?? samples, onesided);
  }
  dims[shape.length - 1] = inverse && onesided ? 1 : 2;
  return [tensorType(c.dtype(0), dims)];
};

const stft: Rule = (c) => {
  const signal = c.shape(0);
  const step = scalar(c, 1);
  const length = c.has(3) ? scalar(c, 3) : c.has(2) ? (c.shape(2)?.[0] ?? UNKNOWN_DIM) : UNKNOWN_DIM;
  const samples = signal?.[1];
  const frames =
    isFixed(samples) && isFixed(step) && isFixed(length) && step > 0
      ? Math.floor((samples - length) / step) + 1
      : UNKNOWN_DIM;
  const count = bins(length, getInt(c.node, 'onesided', 1) === 1);
  return [tensorType(c.dtype(0), [signal?.[0] ?? UNKNOWN_DIM, frames, count, 2])];
};

const melWeights: Rule = (c) => {
  const dtype = dtypeFromCode(getInt(c.node, 'output_datatype', 1)) ?? 'float32';
  return [tensorType(dtype, [bins(scalar(c, 1), true), scalar(c, 0)])];
};

/** [batch, channels, …sizes] → [batch, …sizes, number of sizes]. */
const affineGrid: Rule = (c) => {
  const rank = c.shape(1)?.[0];
  const [batch = UNKNOWN_DIM, , ...sizes] = sizesOf(c, 1, isFixed(rank) ? rank : 4);
  return [tensorType(c.dtype(0), [batch, ...sizes, sizes.length])];
};

const centerCropPad: Rule = (c) => {
  const shape = c.shape(0);
  if (shape === null) return [tensorType(c.dtype(0), null)];
  const axes = getInts(c.node, 'axes')?.map((axis) => normalAxis(axis, shape.length)) ?? [...shape.keys()];
  const sizes = sizesOf(c, 1, axes.length);
  const dims = [...shape];
  axes.forEach((axis, index) => (dims[axis] = sizes[index] ?? UNKNOWN_DIM));
  return [tensorType(c.dtype(0), dims)];
};

const col2Im: Rule = (c) => {
  const shape = c.shape(0);
  const rank = c.shape(1)?.[0];
  const block = c.integers(2)?.reduce((product, size) => product * size, 1);
  const columns = shape?.[1];
  const channels = isFixed(columns) && block !== undefined ? columns / block : UNKNOWN_DIM;
  if (!isFixed(rank)) return [tensorType(c.dtype(0), null)];
  return [tensorType(c.dtype(0), [shape?.[0] ?? UNKNOWN_DIM, channels, ...sizesOf(c, 1, rank)])];
};

/** One offset per place of the result: its sizes are those. */
const deformConv: Rule = (c) => {
  const [x, w, offset] = [c.shape(0), c.shape(1), c.shape(2)];
  if (offset === null) return [tensorType(c.dtype(0), null)];
  return [tensorType(c.dtype(0), [x?.[0] ?? UNKNOWN_DIM, w?.[0] ?? UNKNOWN_DIM, ...offset.slice(2)])];
};

const determinant: Rule = (c) => {
  const shape = c.shape(0);
  if (shape !== null && shape.length < 2) throw new CannotInfer('needs matrices');
  return [tensorType(c.dtype(0), shape?.slice(0, -2) ?? null)];
};

const maxRoiPool: Rule = (c) => {
  const pooled = getInts(c.node, 'pooled_shape') ?? [];
  return [tensorType(c.dtype(0), [c.shape(1)?.[0] ?? UNKNOWN_DIM, c.shape(0)?.[1] ?? UNKNOWN_DIM, ...pooled])];
};

const maxUnpool: Rule = (c) => {
  const shape = c.shape(0);
  if (shape === null) return [tensorType(c.dtype(0), null)];
  if (c.has(2)) return [tensorType(c.dtype(0), sizesOf(c, 2, shape.length))];
  const kernel = getInts(c.node, 'kernel_shape') ?? [];
  const strides = getInts(c.node, 'strides') ?? kernel.map(() => 1);
  const pads = getInts(c.node, 'pads') ?? kernel.flatMap(() => [0, 0]);
  const sizes = shape.slice(2).map((size, axis): Dim => {
    if (!isFixed(size)) return UNKNOWN_DIM;
    const around = (pads[axis] ?? 0) + (pads[axis + kernel.length] ?? 0);
    return (size - 1) * (strides[axis] ?? 1) + (kernel[axis] ?? 1) - around;
  });
  return [tensorType(c.dtype(0), [...shape.slice(0, 2), ...sizes])];
};

const imageDecoder: Rule = (c) => {
  const channels = getString(c.node, 'pixel_format', 'RGB') === 'Grayscale' ? 1 : 3;
  return [tensorType('uint8', [UNKNOWN_DIM, UNKNOWN_DIM, channels])];
};

const attention: Rule = (c) => {
  const [query, value] = [c.shape(0), c.shape(2)];
  const others = c.node.outputs.slice(1).map(() => null);
  const result = (shape: Shape | null): ReturnType<Rule> => [tensorType(c.dtype(0), shape), ...others];
  if (query === null || value === null) return result(null);
  if (query.length === 4) return result([...query.slice(0, 3), value[3] ?? UNKNOWN_DIM]);
  const [heads, groups] = [getInt(c.node, 'q_num_heads'), getInt(c.node, 'kv_num_heads')];
  const width = value[2];
  const known = heads !== undefined && groups !== undefined && isFixed(width);
  return result([...query.slice(0, 2), known ? (width / groups) * heads : UNKNOWN_DIM]);
};

const bitCast: Rule = (c) => {
  const dtype = dtypeFromCode(getInt(c.node, 'to', 0));
  if (dtype === undefined) throw new CannotInfer('attribute "to" is not an element type');
  return [tensorType(dtype, c.shape(0))];
};

/** Words may be left out, so that their number is not known. */
const stringNormalizer: Rule = (c) => [tensorType('string', c.shape(0)?.with(-1, UNKNOWN_DIM) ?? null)];

const stringSplit: Rule = (c) => {
  const shape = c.shape(0);
  const parts = tensorType('string', shape === null ? null : [...shape, UNKNOWN_DIM]);
  return [parts, tensorType('int64', shape)].slice(0, c.outputs);
};

const tfIdf: Rule = (c) => {
  const width = Math.max(...(getInts(c.node, 'ngram_indexes') ?? [-1])) + 1;
  return [tensorType('float32', c.shape(0)?.with(-1, width) ?? null)];
};

export const specialisedRules: Readonly<Record<string, Rule>> = {
  AffineGrid: affineGrid,
  Attention: attention,
  BitCast: bitCast,
  CenterCropPad: centerCropPad,
  Col2Im: col2Im,
  DFT: dft,
  DeformConv: deformConv,
  Det: determinant,
  ImageDecoder: imageDecoder,
  MaxRoiPool: maxRoiPool,
  MaxUnpool: maxUnpool,
  MelWeightMatrix: melWeights,
  RegexFullMatch: (c) => [tensorType('bool', c.shape(0))],
  STFT: stft,
  StringConcat: (c) => [tensorType('string', broadcast(c.shape(0), c.shape(1)))],
  StringNormalizer: stringNormalizer,
  StringSplit: stringSplit,
  TfIdfVectorizer: tfIdf,
};
