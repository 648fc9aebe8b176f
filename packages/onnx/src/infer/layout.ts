/** Operators that move elements without computing: reshape, transpose, join, split, pad, resize. */
import { getFloats, getInt, getInts, getString } from '../ir/node.ts';
import { type Dim, isFixed, isFixedShape, type Shape, tensorType, UNKNOWN_DIM } from '../ir/type.ts';
import { CannotInfer, type NodeContext, normalAxis, product, type Rule, unifyDim, unknowns } from './context.ts';

const withShape = (c: NodeContext, shape: Shape | null): ReturnType<Rule> => [tensorType(c.dtype(0), shape)];

const reshape: Rule = (c) => {
  const input = c.shape(0);
  const target = c.value(1)?.elements;
  if (target === undefined) {
    const length = c.has(1) ? c.shape(1)?.[0] : undefined;
    return withShape(c, isFixed(length) ? unknowns(length) : null);
  }
  const allowZero = getInt(c.node, 'allowzero', 0) === 1;
  const dims = target.map((dim, axis): Dim => {
    if (dim !== 0 || allowZero) return dim;
    if (input !== null && axis >= input.length) {
      throw new CannotInfer(`shape [${target.join(', ')}] copies axis ${axis} of a rank ${input.length} input`);
    }
    return input?.[axis] ?? '?';
  });
  const free = dims.indexOf(-1);
  if (dims.lastIndexOf(-1) !== free) throw new CannotInfer(`shape [${target.join(', ')}] has more than one -1`);
  if (free < 0) {
    if (isFixedShape(input) && isFixedShape(dims) && product(input) !== product(dims)) {
      throw new CannotInfer(`[${input.join(', ')}] cannot be reshaped to [${dims.join(', ')}]`);
    }
    return withShape(c, dims);
  }
  const others = dims.filter((_, axis) => axis !== free);
  return withShape(c, dims.with(free, input === null ? UNKNOWN_DIM : quotient(input, others)));
};

/** The product of `dims` divided by that of `by`, cancelling equal symbols. */
function quotient(dims: Shape, by: readonly Dim[]): Dim {
  const rest = [...dims];
  const divisors: Dim[] = [];
  for (const dim of by) {
    const at = isFixed(dim) || dim === UNKNOWN_DIM ? -1 : rest.indexOf(dim);
    if (at >= 0) rest.splice(at, 1);
    else divisors.push(dim);
  }
  // What is left on each side is a number times symbols; the symbols of one side survive only when the numbers cancel.
  if (rest.includes(0) || divisors.includes(0)) return divisors.includes(0) ? UNKNOWN_DIM : 0;
  const symbols = rest.filter((dim) => !isFixed(dim));
  const above = rest.filter(isFixed).reduce((a, b) => a * b, 1);
  const below = divisors.filter(isFixed).reduce((a, b) => a * b, 1);
  if (!divisors.every(isFixed)) return UNKNOWN_DIM;
  if (symbols.length === 0 && above % below !== 0) {
    throw new CannotInfer(`${above} elements cannot be divided into ${below}`);
  }
  if (symbols.length === 0) return above / below;
  return symbols.length === 1 && above === below ? (symbols[0] ?? UNKNOWN_DIM) : UNKNOWN_DIM;
}

const transpose: Rule = (c) => {
  const shape = c.shape(0);
  const order = getInts(c.node, 'perm');
  if (shape === null) return withShape(c, order === undefined ? null : unknowns(order.length));
  const axes = order ?? shape.map((_, axis) => shape.length - 1 - axis);
  if (axes.length !== shape.length || new Set(axes).size !== shape.length) {
    throw new CannotInfer(`perm [${axes.join(', ')}] does not permute ${shape.length} axes`);
  }
  return withShape(
    c,
    axes.map((axis) => shape[normalAxis(axis, shape.length)] ?? '?'),
  );
};

const unsqueeze: Rule = (c) => {
  const shape = c.shape(0);
  const axes = c.integersFrom('axes', 1);
  if (axes === null) throw new CannotInfer('the axes are missing');
  if (shape === null) return withShape(c, null);
  if (axes === undefined) return withShape(c, null);
  const rank = shape.length + axes.length;
  const added = new Set(axes.map((axis) => normalAxis(axis, rank)));
  if (added.size !== axes.length) throw new CannotInfer(`axes [${axes.join(', ')}] repeat`);
  let from = 0;
  return withShape(
    c,
    Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : (shape[from++] ?? '?'))),
  );
};

const squeeze: Rule = (c) => {
  const shape = c.shape(0);
  const axes = c.integersFrom('axes', 1);
  if (shape === null || axes === undefined) return withShape(c, null);
  // Without axes every 1 goes: which those are must be known.
  if (axes === null) return withShape(c, isFixedShape(shape) ? shape.filter((dim) => dim !== 1) : null);
  const dropped = new Set(axes.map((axis) => normalAxis(axis, shape.length)));
  for (const axis of dropped) {
    const dim = shape[axis];
    if (isFixed(dim) && dim !== 1) throw new CannotInfer(`axis ${axis} has size ${dim} and cannot be squeezed`);
  }
  return withShape(
    c,
    shape.filter((_, axis) => !dropped.has(axis)),
  );
};

const flatten: Rule = (c) => {
  const shape = c.shape(0);
  if (shape === null) return withShape(c, unknowns(2));
  const given = getInt(c.node, 'axis', 1);
  const axis = given === shape.length ? given : normalAxis(given, Math.max(shape.length, 1));
  return withShape(c, [product(shape.slice(0, axis)), product(shape.slice(axis))]);
};

const concat: Rule = (c) => {
  const shapes = c.node.inputs.map((_, index) => c.shape(index));
  const known = shapes.filter((shape) => shape !== null);
  const [first] = known;
  if (first === undefined) return withShape(c, null);
  const axis = c.axis('axis', 1, first.length);
  let sum: Dim = known.length === shapes.length ? 0 : '?';
  const dims: Dim[] = unknowns(first.length);
  for (const shape of known) {
    if (shape.length !== first.length) throw new CannotInfer(`inputs have ranks ${first.length} and ${shape.length}`);
    shape.forEach((dim, index) => {
      if (index !== axis) dims[index] = unifyDim(dims[index] ?? '?', dim);
      else if (isFixed(sum) && isFixed(dim)) sum += dim;
      else sum = known.length === 1 ? dim : '?';
    });
  }
  return withShape(c, dims.with(axis, sum));
};

const split: Rule = (c) => {
  const input = c.tensor(0);
  const { shape } = input;
  const sizes = c.integersFrom('split', 1);
  const count = c.outputs;
  if (shape === null) return c.node.outputs.map(() => input);
  const axis = c.axis('axis', 0, shape.length);
  const whole = shape[axis] ?? '?';
  if (sizes !== undefined && sizes !== null && isFixed(whole) && sizes.reduce((a, b) => a + b, 0) !== whole) {
    throw new CannotInfer(`parts [${sizes.join(', ')}] do not add up to ${whole}`);
  }
  return c.node.outputs.map((_, index) => {
    let size: Dim = '?';
    if (sizes !== undefined && sizes !== null) size = sizes[index] ?? '?';
    else if (sizes === null && isFixed(whole)) {
      // Equal parts; the last one smaller where the size does not divide.
      const part = Math.ceil(whole / count);
      size = index < count - 1 ? part : whole - part * (count - 1);
    }
    return tensorType(input.dtype, shape.with(axis, size));
  });
};

const expand: Rule = (c) => {
  const shape = c.shape(0);
  const target = c.value(1)?.elements;
  if (target === undefined || shape === null) return withShape(c, null);
  const rank = Math.max(shape.length, target.length);
  const at = (dims: Shape, axis: number): Dim => dims[axis - (rank - dims.length)] ?? 1;
  const dims = Array.from({ length: rank }, (_, axis): Dim => {
    const [a, b] = [at(shape, axis), at(target, axis)];
    if (a === 1) return b;
    if (b === 1 || a === b) return a;
    if (isFixed(a) && isFixed(b)) {
      throw new CannotInfer(`[${shape.join(', ')}] does not expand to [${target.join(', ')}]`);
    }
    return isFixed(a) ? a : isFixed(b) ? b : '?';
  });
  return withShape(c, dims);
};

const tile: Rule = (c) => {
  const shape = c.shape(0);
  const repeats = c.value(1)?.elements;
  if (shape === null) return withShape(c, null);
  return withShape(
    c,
    shape.map((dim, axis) => product([dim, repeats?.[axis] ?? '?'])),
  );
};

const pad: Rule = (c) => {
  const shape = c.shape(0);
  if (shape === null) return withShape(c, null);
  const pads = c.integersFrom('pads', 1);
  const axes = c.has(3) ? c.integers(3)?.map((axis) => normalAxis(axis, shape.length)) : shape.map((_, axis) => axis);
  if (pads === undefined || pads === null || axes === undefined) return withShape(c, unknowns(shape.length));
  if (pads.length !== axes.length * 2) throw new CannotInfer(`${pads.length} pads for ${axes.length} axes`);
  const dims = [...shape];
  axes.forEach((axis, index) => {
    const amount = (pads[index] ?? 0) + (pads[index + axes.length] ?? 0);
    const dim = dims[axis] ?? '?';
    dims[axis] = amount === 0 ? dim : isFixed(dim) ? dim + amount : '?';
  });
  return withShape(c, dims);
};

const depthToSpace = (forward: boolean): Rule => {
  return (c) => {
    const shape = c.shape(0);
    if (shape === null) return withShape(c, unknowns(4));
    const block = getInt(c.node, 'blocksize', 1);
    if (shape.length !== 4) throw new CannotInfer(`needs rank 4, got ${shape.length}`);
    const scale = (dim: Dim | undefined, factor: number): Dim => (isFixed(dim) ? Math.floor(dim * factor) : '?');
    const [batch = '?', channels, height, width] = shape;
    const area = forward ? 1 / block ** 2 : block ** 2;
    const side = forward ? block : 1 / block;
    return withShape(c, [batch, scale(channels, area), scale(height, side), scale(width, side)]);
  };
};

/** Scales or sizes as constants; both forms of operator set 11 and later, and of Upsample. */
const resize: Rule = (c) => {
  const shape = c.shape(0);
  if (shape === null) return withShape(c, null);
  if (c.has(3)) {
    const sizes = c.value(3)?.elements;
    const policy = getString(c.node, 'keep_aspect_ratio_policy', 'stretch');
    const whole = sizes !== undefined && sizes.length === shape.length && policy === 'stretch';
    return withShape(c, whole ? sizes : unknowns(shape.length));
  }
  // Operator set 10 has the scales second, later ones third, after the region of interest.
  const scales = c.floats(c.opset < 11 ? 1 : 2);
  if (scales?.length !== shape.length) return withShape(c, unknowns(shape.length));
  return withShape(c, scaled(shape, scales));
};

const scaled = (shape: Shape, scales: ArrayLike<number>): Shape =>
  shape.map((dim, axis) => {
    const scale = scales[axis] ?? 1;
    return scale === 1 ? dim : isFixed(dim) ? Math.floor(dim * scale) : '?';
  });

const upsample: Rule = (c) => {
  const shape = c.shape(0);
  const scales = getFloats(c.node, 'scales') ?? c.floats(1);
  if (shape === null) return withShape(c, null);
  return withShape(c, scales?.length === shape.length ? scaled(shape, scales) : unknowns(shape.length));
};

export const layoutRules: Readonly<Record<string, Rule>> = {
  Reshape: reshape,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
  Squeeze: squeeze,
  Flatten: flatten,
  Concat: concat,
  Split: split,
  Expand: expand,
  Tile: tile,
  Pad: pad,
  DepthToSpace: depthToSpace(true),
  SpaceToDepth: depthToSpace(false),
  Resize: resize,
  Upsample: upsample,
};
