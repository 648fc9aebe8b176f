/**
 * A transformer encoder as PyTorch's exporter writes BERT for sequence classification, with random weights: the shape that
 * benches and tests of large models need, without a download. BERT-base (about 110 million parameters) by default.
 *
 * The graph is not tidied: shapes are computed at run time by chains of Shape, Gather and Concat, scalars are Constant
 * nodes, LayerNormalization and GELU are spelt out. That is what passes meet in the field.
 *
 * Inputs, all int64 [batch, sequence]: `input_ids`, `attention_mask` (1 counts, 0 does not), `token_type_ids`.
 * Output, float32: `logits` [batch, labels], or `last_hidden_state` [batch, sequence, hidden] without labels.
 */
import { floatAttribute, intAttribute } from '../ir/attribute.ts';
import type { Model } from '../ir/model.ts';
import { type Builder, buildModel } from './builder.ts';
import { Writer } from './writer.ts';

export interface EncoderOptions {
  /** Default 12. */
  readonly layers?: number;
  /** Width of a token. Default 768. */
  readonly hidden?: number;
  /** Divides `hidden`. Default 12. */
  readonly heads?: number;
  /** Width between the two products of the feed-forward part. Default 4 × `hidden`. */
  readonly intermediate?: number;
  /** Default 30522. */
  readonly vocabulary?: number;
  /** The longest sequence. Default 512. */
  readonly maxPositions?: number;
  /** Default 2. */
  readonly tokenTypes?: number;
  /** Classes of the head (pooler, tanh, linear). Default 2; 0 leaves the head out. */
  readonly labels?: number;
  /** Default 1. */
  readonly seed?: number;
  /** Default 17. */
  readonly opset?: number;
  /** `decomposed`, the default, into nine nodes, as below opset 17; `operator`: LayerNormalization. */
  readonly layerNorm?: 'decomposed' | 'operator';
  /** `erf`, the default: exact GELU in five nodes; `tanh`: its approximation in eight, as in GPT-2; `operator`: Gelu of opset 20. */
  readonly gelu?: 'erf' | 'tanh' | 'operator';
}

const EPSILON = 1e-12;
const LOWEST_FLOAT32 = -3.4028234663852886e38;

export function encoderModel(options: EncoderOptions = {}): Model {
  const shape = { layers: 12, hidden: 768, heads: 12, vocabulary: 30522, maxPositions: 512, ...options };
  const { hidden, heads } = shape;
  if (hidden % heads !== 0) throw new RangeError(`${heads} heads do not divide a width of ${hidden}`);
  return buildModel(
    (b) => {
      const w = new EncoderWriter(b, options);
      const ids = b.input('input_ids', 'int64', ['batch', 'sequence']);
      const mask = b.input('attention_mask', 'int64', ['batch', 'sequence']);
      const types = b.input('token_type_ids', 'int64', ['batch', 'sequence']);
      const bias = additiveMask(w, mask);
      let value = embeddings(w, ids, types, { ...shape, tokenTypes: options.tokenTypes ?? 2 });
      for (let layer = 0; layer < shape.layers; layer++) {
        const at = `encoder.layer.${layer}`;
        const attended = w.linear(attention(w, `${at}.attention`, value, bias, hidden, heads), {
          at: `${at}.attention.output.dense`,
          from: hidden,
          to: hidden,
        });
        value = w.layerNorm(w.op('Add', [attended, value]), `${at}.attention.output.LayerNorm`, hidden);
        value = feedForward(w, at, value, hidden, options.intermediate ?? 4 * hidden);
      }
      head(w, value, hidden, options.labels ?? 2);
    },
    { name: 'encoder', opset: options.opset ?? 17 },
  );
}

/** The writer with the two parts that exporters write in several ways. */
class EncoderWriter extends Writer {
  readonly #options: EncoderOptions;

  constructor(b: Builder, options: EncoderOptions) {
    super(b, options.seed ?? 1, options.opset ?? 17);
    this.#options = options;
  }

  layerNorm(value: string, at: string, width: number): string {
    const scale = this.weight(`${at}.weight`, [width], 1);
    const offset = this.weight(`${at}.bias`, [width]);
    if (this.#options.layerNorm === 'operator') {
      const attributes = [intAttribute('axis', -1), floatAttribute('epsilon', EPSILON)];
      return this.op('LayerNormalization', [value, scale, offset], ...attributes);
    }
    const centred = this.op('Sub', [value, this.mean(value)]);
    const variance = this.mean(this.op('Pow', [centred, this.scalar(2)]));
    const deviation = this.op('Sqrt', [this.op('Add', [variance, this.scalar(EPSILON)])]);
    return this.op('Add', [this.op('Mul', [this.op('Div', [centred, deviation]), scale]), offset]);
  }

  gelu(x: string): string {
    if (this.#options.gelu === 'operator') return this.op('Gelu', [x]);
    if (this.#options.gelu === 'tanh') {
      const cube = this.op('Mul', [this.op('Pow', [x, this.scalar(3)]), this.scalar(0.044715)]);
      const inner = this.op('Mul', [this.op('Add', [x, cube]), this.scalar(Math.sqrt(2 / Math.PI))]);
      const gate = this.op('Add', [this.op('Tanh', [inner]), this.scalar(1)]);
      return this.op('Mul', [this.op('Mul', [x, this.scalar(0.5)]), gate]);
    }
    const gate = this.op('Add', [this.op('Erf', [this.op('Div', [x, this.scalar(Math.SQRT2)])]), this.scalar(1)]);
    return this.op('Mul', [this.op('Mul', [x, gate]), this.scalar(0.5)]);
  }
}

/** 0 where a token counts and the lowest number where it does not: float32 [batch, 1, 1, sequence]. */
function additiveMask(w: EncoderWriter, mask: string): string {
  const wide = w.op('Cast', [w.unsqueeze(w.unsqueeze(mask, 1), 2)], intAttribute('to', 1));
  return w.op('Mul', [w.op('Sub', [w.scalar(1), wide]), w.scalar(LOWEST_FLOAT32)]);
}

interface Embeddings {
  readonly hidden: number;
  readonly vocabulary: number;
  readonly maxPositions: number;
  readonly tokenTypes: number;
}

function embeddings(w: EncoderWriter, ids: string, types: string, size: Embeddings): string {
  const at = 'embeddings';
  const { hidden } = size;
  const lookUp = (name: string, rows: number, index: string): string =>
    w.op('Gather', [w.weight(`${at}.${name}_embeddings.weight`, [rows, hidden]), index]);
  const sequence = w.size(ids, 1);
  const all = Array.from({ length: size.maxPositions }, (_, index) => index);
  const positions = w.op('Slice', [
    w.b.integers(`${at}.position_ids`, [1, size.maxPositions], all),
    w.integer(0, [1]),
    sequence,
    w.integer(1, [1]),
    w.integer(1, [1]),
  ]);
  const words = w.op('Add', [lookUp('word', size.vocabulary, ids), lookUp('token_type', size.tokenTypes, types)]);
  const sum = w.op('Add', [words, lookUp('position', size.maxPositions, positions)]);
  return w.layerNorm(sum, `${at}.LayerNorm`, hidden);
}

/** Scaled dot product over `heads` heads: float32 [batch, sequence, hidden], before the output projection. */
function attention(w: EncoderWriter, at: string, value: string, bias: string, hidden: number, heads: number): string {
  const width = hidden / heads;
  const split = (name: string, ...perm: readonly number[]): string => {
    const projected = w.linear(value, { at: `${at}.self.${name}`, from: hidden, to: hidden });
    const sizes = [w.size(projected, 0), w.size(projected, 1), w.integer(heads, [1]), w.integer(width, [1])];
    const shaped = w.reshape(projected, sizes);
    return w.transpose(shaped, ...perm);
  };
  const query = split('query', 0, 2, 1, 3);
  const key = split('key', 0, 2, 3, 1);
  const values = split('value', 0, 2, 1, 3);
  const scores = w.op('Div', [w.op('MatMul', [query, key]), w.scalar(Math.sqrt(width))]);
  const shares = w.op('Softmax', [w.op('Add', [scores, bias])], intAttribute('axis', -1));
  const context = w.transpose(w.op('MatMul', [shares, values]), 0, 2, 1, 3);
  const sizes = [w.size(context, 0), w.size(context, 1), w.integer(hidden, [1])];
  return w.reshape(context, sizes);
}

function feedForward(w: EncoderWriter, at: string, value: string, hidden: number, intermediate: number): string {
  const wide = w.gelu(w.linear(value, { at: `${at}.intermediate.dense`, from: hidden, to: intermediate }));
  const narrow = w.linear(wide, { at: `${at}.output.dense`, from: intermediate, to: hidden });
  return w.layerNorm(w.op('Add', [narrow, value]), `${at}.output.LayerNorm`, hidden);
}

/** The first token through a pooler to the logits. */
function head(w: EncoderWriter, value: string, hidden: number, labels: number): void {
  if (labels === 0) {
    w.b.op('Identity', [value], { outputs: ['last_hidden_state'] });
    w.b.output('last_hidden_state', 'float32', ['batch', 'sequence', hidden]);
    return;
  }
  const gemm = (input: string, name: string, to: number, outputs?: readonly string[]): string => {
    const weights = [w.weight(`${name}.weight`, [to, hidden]), w.weight(`${name}.bias`, [to])];
    const attributes = [floatAttribute('alpha', 1), floatAttribute('beta', 1), intAttribute('transB', 1)];
    return w.b.op('Gemm', [input, ...weights], { attributes, ...(outputs === undefined ? {} : { outputs }) });
  };
  const first = w.op('Gather', [value, w.integer(0)], intAttribute('axis', 1));
  const pooled = w.op('Tanh', [gemm(first, 'pooler.dense', hidden)]);
  w.b.output(gemm(pooled, 'classifier', labels, ['logits']), 'float32', ['batch', labels]);
}
