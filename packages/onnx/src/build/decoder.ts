/**
 * A transformer decoder as PyTorch's exporter writes Llama, with random weights: RMS normalization, rotary positions, queries
 * that share keys and values in groups, a causal mask, SwiGLU. No cached keys: all tokens are read at once.
 *
 * The graph is not tidied, as in `encoderModel`. Inputs, int64 [batch, sequence]: `input_ids`; with padding
 * `attention_mask` (1 counts, 0 does not). Output, float32 [batch, sequence, vocabulary]: `logits`.
 */
import { intAttribute } from '../ir/attribute.ts';
import type { Model } from '../ir/model.ts';
import { buildModel } from './builder.ts';
import { Writer } from './writer.ts';

export interface DecoderOptions {
  /** Default 16. */
  readonly layers?: number;
  /** Width of a token. Default 2048. */
  readonly hidden?: number;
  /** Heads of the queries. Divides `hidden`. Default 32. */
  readonly heads?: number;
  /** Heads of keys and values. Divides `heads`. Default 8. */
  readonly groups?: number;
  /** Width between the products of the feed-forward part. Default 4 × `hidden`. */
  readonly intermediate?: number;
  /** Default 32000. */
  readonly vocabulary?: number;
  /** The longest sequence: sizes the tables of `mask` and `rotary`. Default 512. */
  readonly maxPositions?: number;
  /** Default 1. */
  readonly seed?: number;
  /** Default 17, at least 14. */
  readonly opset?: number;
  /**
   * How the causal mask is made. `triangle`, the default: Trilu of a filled square; `comparison`: key positions beside those
   * of the queries; `table`: a constant triangle cut to size, which chooses between scores and the lowest number, as in GPT-2.
   */
  readonly mask?: 'triangle' | 'comparison' | 'table';
  /** An `attention_mask` goes into the mask. Not with `table`. Default false. */
  readonly padding?: boolean;
  /**
   * How rotary positions are applied. `half`, the default: halves of a head turn against each other, by angles computed from
   * positions; `interleaved`: neighbours do, as in GPT-J; `table`: halves, by constant tables that positions are looked up in.
   */
  readonly rotary?: 'half' | 'interleaved' | 'table';
  /** The positions of tokens are an input, `position_ids`, int64 [batch, sequence]; otherwise they are 0, 1, 2 … Default false. */
  readonly positions?: boolean;
}

interface Size extends Required<Omit<DecoderOptions, 'seed' | 'opset'>> {
  readonly width: number;
}

const EPSILON = 1e-6;
const LOWEST_FLOAT32 = -3.4028234663852886e38;
const ROTARY_BASE = 10_000;
const TO_FLOAT = intAttribute('to', 1);

/** @throws RangeError when heads or groups do not divide what they must, or a table is asked to hold padding */
export function decoderModel(options: DecoderOptions = {}): Model {
  const size = sizeOf(options);
  return buildModel(
    (b) => {
      const w = new Writer(b, options.seed ?? 1, options.opset ?? 17);
      const ids = b.input('input_ids', 'int64', ['batch', 'sequence']);
      const padding = size.padding ? b.input('attention_mask', 'int64', ['batch', 'sequence']) : undefined;
      const mask = size.mask === 'table' ? undefined : causalMask(w, ids, padding, size.mask);
      let value = w.op('Gather', [w.weight('model.embed_tokens.weight', [size.vocabulary, size.hidden]), ids]);
      const angles = rotaryAngles(w, ids, size);
      const table = size.mask === 'table' ? triangleTable(w, size.maxPositions) : '';
      const masked = (scores: string): string =>
        mask === undefined ? chosenByTable(w, scores, table) : w.op('Add', [scores, mask]);
      for (let layer = 0; layer < size.layers; layer++) {
        const at = `model.layers.${layer}`;
        const normal = rmsNorm(w, value, `${at}.input_layernorm`, size.hidden);
        const attended = attention(w, `${at}.self_attn`, normal, { angles, masked, size });
        value = w.op('Add', [value, attended]);
        const second = rmsNorm(w, value, `${at}.post_attention_layernorm`, size.hidden);
        value = w.op('Add', [value, gatedFeedForward(w, `${at}.mlp`, second, size)]);
      }
      const last = rmsNorm(w, value, 'model.norm', size.hidden);
      const head = w.weight('lm_head.weight', [size.hidden, size.vocabulary]);
      b.op('MatMul', [last, head], { outputs: ['logits'] });
      b.output('logits', 'float32', ['batch', 'sequence', size.vocabulary]);
    },
    { name: 'decoder', opset: options.opset ?? 17 },
  );
}

function sizeOf(options: DecoderOptions): Size {
  const { hidden = 2048, heads = 32, groups = 8, mask = 'triangle', padding = false } = options;
  if (hidden % heads !== 0 || (hidden / heads) % 2 !== 0) {
    throw new RangeError(`${heads} heads of an even width do not divide a width of ${hidden}`);
  }
  if (heads % groups !== 0) throw new RangeError(`${groups} groups do not divide ${heads} heads`);
  if (mask === 'table' && padding) throw new RangeError('a constant triangle holds no padding');
  const { layers = 16, intermediate = 4 * hidden, vocabulary = 32_000, maxPositions = 512 } = options;
  const { rotary = 'half', positions = false } = options;
  const width = hidden / heads;
  return {
    layers,
    hidden,
    heads,
    groups,
    intermediate,
    vocabulary,
    maxPositions,
    mask,
    padding,
    rotary,
    positions,
    width,
  };
}

/** x / √(mean(x²) + ε) · scale. */
function rmsNorm(w: Writer, x: string, at: string, width: number): string {
  const mean = w.mean(w.op('Pow', [x, w.scalar(2)]));
  const inverse = w.op('Div', [w.scalar(1), w.op('Sqrt', [w.op('Add', [mean, w.scalar(EPSILON)])])]);
  return w.op('Mul', [w.weight(`${at}.weight`, [width], 1), w.op('Mul', [x, inverse])]);
}

/** 0 where a key may be seen and the lowest number where not: float32 [batch or 1, 1, sequence, sequence]. */
function causalMask(w: Writer, ids: string, padding: string | undefined, kind: 'triangle' | 'comparison'): string {
  const sizes = [w.size(ids, 1), w.size(ids, 1)];
  const lowest = w.op('Expand', [w.scalar(LOWEST_FLOAT32), w.concat(sizes, 0)]);
  const square = kind === 'triangle' ? w.op('Trilu', [lowest, w.integer(1)], intAttribute('upper', 1)) : after(w, ids);
  const causal = w.unsqueeze(w.unsqueeze(square, 0), 1);
  if (padding === undefined) return causal;
  const rows = [w.size(ids, 0), w.integer(1, [1]), ...sizes];
  const wide = w.op('Expand', [causal, w.concat(rows, 0)]);
  const counts = w.op('Cast', [w.unsqueeze(w.unsqueeze(padding, 1), 2)], TO_FLOAT);
  const hidden = w.op('Equal', [w.op('Add', [wide, counts]), w.scalar(0)]);
  return w.op('Where', [hidden, w.scalar(LOWEST_FLOAT32), wide]);
}

/** The lowest number where the key comes after the query: float32 [sequence, sequence]. */
function after(w: Writer, ids: string): string {
  const positions = w.op('Range', [w.integer(0), w.sizeOf(ids, 1), w.integer(1)]);
  const isAfter = w.op('Greater', [positions, w.unsqueeze(positions, 1)]);
  return w.op('Mul', [w.op('Cast', [isAfter], TO_FLOAT), w.scalar(LOWEST_FLOAT32)]);
}

function triangleTable(w: Writer, side: number): string {
  const data = Uint8Array.from({ length: side * side }, (_, i) => Number(i % side <= Math.floor(i / side)));
  return w.b.constant('causal_table', { dtype: 'bool', shape: [1, 1, side, side], data });
}

function chosenByTable(w: Writer, scores: string, table: string): string {
  const rows = w.slice(table, w.integer(0, [1]), w.size(scores, 2), 2);
  const cut = w.slice(rows, w.integer(0, [1]), w.size(scores, 3), 3);
  return w.op('Where', [cut, scores, w.scalar(LOWEST_FLOAT32)]);
}

interface Angles {
  /** Broadcast to [batch, heads, sequence, width]. */
  readonly cosine: string;
  readonly sine: string;
}

function rotaryAngles(w: Writer, ids: string, size: Size): Angles {
  const { rotary, width, maxPositions } = size;
  const inverse = Float64Array.from({ length: width / 2 }, (_, i) => ROTARY_BASE ** ((-2 * i) / width));
  const positions = size.positions
    ? w.b.input('position_ids', 'int64', ['batch', 'sequence'])
    : w.unsqueeze(w.op('Range', [w.integer(0), w.sizeOf(ids, 1), w.integer(1)]), 0);
  if (rotary === 'table') {
    const lookUp = (name: string, of: (angle: number) => number): string => {
      const table = Float32Array.from({ length: maxPositions * width }, (_, i) =>
        of(Math.floor(i / width) * (inverse[i % (width / 2)] ?? 0)),
      );
      return w.unsqueeze(w.op('Gather', [w.b.floats(name, [maxPositions, width], table), positions]), 1);
    };
    return { cosine: lookUp('cos_cached', Math.cos), sine: lookUp('sin_cached', Math.sin) };
  }
  const frequencies = w.b.floats('model.rotary_emb.inv_freq', [1, width / 2, 1], Float32Array.from(inverse));
  const at = w.op('Cast', [w.unsqueeze(positions, 1)], TO_FLOAT);
  const angles = w.transpose(w.op('MatMul', [frequencies, at]), 0, 2, 1);
  const doubled =
    rotary === 'half'
      ? w.concat([angles, angles], -1)
      : w.reshape(w.concat([w.unsqueeze(angles, 3), w.unsqueeze(angles, 3)], 3), [
          w.size(positions, 0),
          w.size(ids, 1),
          w.integer(width, [1]),
        ]);
  return { cosine: w.unsqueeze(w.op('Cos', [doubled]), 1), sine: w.unsqueeze(w.op('Sin', [doubled]), 1) };
}

function rotated(w: Writer, x: string, { cosine, sine }: Angles, { rotary, width }: Size): string {
  const turned = rotary === 'interleaved' ? turnedNeighbours(w, x, width) : turnedHalves(w, x, width);
  return w.op('Add', [w.op('Mul', [x, cosine]), w.op('Mul', [turned, sine])]);
}

/** (−second half, first half). */
function turnedHalves(w: Writer, x: string, width: number): string {
  const first = w.slice(x, w.integer(0, [1]), w.integer(width / 2, [1]), 3);
  const second = w.slice(x, w.integer(width / 2, [1]), w.integer(Number.MAX_SAFE_INTEGER, [1]), 3);
  return w.concat([w.op('Neg', [second]), first], -1);
}

/** (−x₁, x₀, −x₃, x₂, …). */
function turnedNeighbours(w: Writer, x: string, width: number): string {
  const end = w.integer(Number.MAX_SAFE_INTEGER, [1]);
  const even = w.slice(x, w.integer(0, [1]), end, 3, 2);
  const odd = w.slice(x, w.integer(1, [1]), end, 3, 2);
  const stacked = w.concat([w.unsqueeze(w.op('Neg', [odd]), 4), w.unsqueeze(even, 4)], 4);
  return w.reshape(stacked, [w.size(x, 0), w.size(x, 1), w.size(x, 2), w.integer(width, [1])]);
}

interface AttentionParts {
  readonly angles: Angles;
  /** The scores with the mask. */
  readonly masked: (scores: string) => string;
  readonly size: Size;
}

/** Scaled dot product: float32 [batch, sequence, hidden], after the output projection. */
function attention(w: Writer, at: string, value: string, { angles, masked, size }: AttentionParts): string {
  const { hidden, heads, groups, width } = size;
  const split = (name: string, count: number): string => {
    const projected = w.linear(value, { at: `${at}.${name}`, from: hidden, to: count * width, bias: false });
    const sizes = [w.size(value, 0), w.size(value, 1), w.integer(-1, [1]), w.integer(width, [1])];
    return w.transpose(w.reshape(projected, sizes), 0, 2, 1, 3);
  };
  const [query, key, values] = [split('q_proj', heads), split('k_proj', groups), split('v_proj', groups)];
  const turned = w.transpose(repeated(w, rotated(w, key, angles, size), size), 0, 1, 3, 2);
  const products = w.op('MatMul', [rotated(w, query, angles, size), turned]);
  const scores = masked(w.op('Mul', [products, w.scalar(1 / Math.sqrt(width))]));
  const shares = w.op('Softmax', [scores], intAttribute('axis', -1));
  const context = w.transpose(w.op('MatMul', [shares, repeated(w, values, size)]), 0, 2, 1, 3);
  const united = w.reshape(context, [w.size(value, 0), w.size(value, 1), w.integer(hidden, [1])]);
  return w.linear(united, { at: `${at}.o_proj`, from: hidden, to: hidden, bias: false });
}

/** Keys or values [batch, groups, sequence, width], each group repeated for the heads that share it. */
function repeated(w: Writer, x: string, { heads, groups, width }: Size): string {
  if (heads === groups) return x;
  const [rows, length] = [w.size(x, 0), w.size(x, 2)];
  const many = [rows, w.integer(groups, [1]), w.integer(heads / groups, [1]), length, w.integer(width, [1])];
  const expanded = w.op('Expand', [w.unsqueeze(x, 2), w.concat(many, 0)]);
  return w.reshape(expanded, [rows, w.integer(heads, [1]), length, w.integer(width, [1])]);
}

/** SwiGLU. */
function gatedFeedForward(w: Writer, at: string, x: string, { hidden, intermediate }: Size): string {
  const wide = (name: string): string =>
    w.linear(x, { at: `${at}.${name}`, from: hidden, to: intermediate, bias: false });
  const gate = wide('gate_proj');
  const gated = w.op('Mul', [w.op('Mul', [gate, w.op('Sigmoid', [gate])]), wide('up_proj')]);
  return w.linear(gated, { at: `${at}.down_proj`, from: intermediate, to: hidden, bias: false });
}
