/**
 * Query, key and value as products of one input: their weights side by side make one product of three. Weights in external data
 * are read for it, one after the other; what is made of them goes where the caller keeps large constants.
 */
import type { Initializer } from '../ir/initializer.ts';
import { intsAttribute } from '../ir/attribute.ts';
import { loadInitializer } from '../external/load.ts';
import { byteLengthOf } from '../ir/elements.ts';
import { isOp, MS_DOMAIN, withAttributes } from '../ir/node.ts';
import { madeBy } from '../simplify/pattern.ts';
import { onlyFirstOutput, type Rewrite, type Site } from '../simplify/rewrite.ts';
import { putConstant, wideOf } from '../simplify/weights.ts';
import { withoutBias } from './gelu.ts';

export const fuseProjections: Rewrite = {
  name: 'merge-projections',
  exactness: 'rounding',
  summary: '`MultiHeadAttention` of three products of one input becomes `Attention`, which computes them as one.',
  apply(site) {
    let count = 0;
    for (const seen of site.editor.nodes) {
      const node = site.editor.current(seen);
      if (node === undefined || !isOp(node, 'MultiHeadAttention', MS_DOMAIN) || !onlyFirstOutput(node)) continue;
      const [query = '', key = '', value = '', bias = '', mask = '', scoreBias = '', ...past] = node.inputs;
      if (bias !== '' || past.length > 0) continue;
      const projections = [query, key, value].map((name) => projectionOf(name, site));
      const merged = mergeProjections(projections, site);
      if (merged === undefined) continue;
      const inputs = [merged.input, merged.weight, merged.bias, mask, '', scoreBias];
      while (inputs.at(-1) === '') inputs.pop();
      const sizes = new Set(merged.widths).size > 1 ? [intsAttribute('qkv_hidden_sizes', merged.widths)] : [];
      site.editor.update(node, { op: 'Attention', inputs, attributes: withAttributes(node, sizes).attributes });
      count += 1;
    }
    return count;
  },
};

interface Projection {
  readonly input: string;
  /** Constant, float32 [inputs, outputs]. */
  readonly weight: Initializer;
  readonly weightName: string;
  /** Constant, float32 [outputs]; undefined: none. */
  readonly bias: Initializer | undefined;
}

/** `name` as a product of rank 3 with a constant matrix, and a bias. */
function projectionOf(name: string, site: Site): Projection | undefined {
  const { value, bias } = withoutBias(name, site);
  const product = site.soleReader(value) === undefined ? undefined : madeBy(site, value, 'MatMul');
  const [input = '', weightName = ''] = product?.inputs ?? [];
  const weight = site.stored(weightName);
  if (product === undefined || weight?.dtype !== 'float32' || weight.dims.length !== 2) return undefined;
  return site.shape(input)?.length === 3 ? { input, weight, weightName, bias: site.stored(bias) } : undefined;
}

interface MergedProjections {
  readonly input: string;
  readonly weight: string;
  readonly bias: string;
  /** Columns of query, key and value. */
  readonly widths: readonly number[];
}

/** undefined when they have no common input, or when other nodes read the weights: the model would hold them twice. */
function mergeProjections(projections: readonly (Projection | undefined)[], site: Site): MergedProjections | undefined {
  const parts = projections.filter((part) => part !== undefined);
  const [first] = parts;
  if (first === undefined || parts.length !== projections.length) return undefined;
  const rows = first.weight.dims[0] ?? 0;
  if (parts.some(({ input, weight }) => input !== first.input || weight.dims[0] !== rows)) return undefined;
  const bytes = parts.reduce((sum, { weight }) => sum + byteLengthOf(weight), 0);
  const names = parts.map(({ weightName }) => weightName);
  if (new Set(names).size !== names.length || site.grows(bytes, names)) return undefined;
  const widths = parts.map(({ weight }) => weight.dims[1] ?? 0);
  const width = widths.reduce((sum, each) => sum + each, 0);
  const data = new Float32Array(rows * width);
  const bias = new Float32Array(width);
  let column = 0;
  parts.forEach((part, index) => {
    const own = widths[index] ?? 0;
    const from = wideOf(loadInitializer(part.weight));
    for (let row = 0; row < rows; row++) {
      data.set(from.subarray(row * own, (row + 1) * own), row * width + column);
    }
    if (part.bias !== undefined) bias.set(wideOf(loadInitializer(part.bias)), column);
    column += own;
  });
  const put = (base: string, dims: readonly number[], values: Float32Array): string =>
    putConstant(site, undefined, base, { dtype: 'float32', dims, data: values });
  return {
    widths,
    input: first.input,
    weight: put(`${first.weightName}_qkv`, [rows, width], data),
    bias: put(`${first.weightName}_qkv_bias`, [width], bias),
  };
}
