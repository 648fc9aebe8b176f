/**
 * TensorFlow's `person_detect.tflite`, a trained MobileNet with Relu6 and 8-bit weights, as a float32 model: the weights times their
 * scales, one per channel. A real model whose channels are far apart.
 *
 * It reads the few fields of the FlatBuffers format that this one file needs; importing TensorFlow Lite is another matter.
 */
import { buildModel, intAttribute, intsAttribute, type Model } from '@slipway/onnx';

/** Positions of fields in tables, from the schema of TensorFlow Lite. */
const MODEL = { codes: 1, graphs: 2, buffers: 4 };
const GRAPH = { tensors: 0, operators: 3 };
const TENSOR = { shape: 0, buffer: 2, quantization: 4 };
const QUANTIZATION = { scale: 2, dimension: 6 };
const OPERATOR = { code: 0, inputs: 1, outputs: 2, options: 4 };
const CODES = { averagePool: 1, conv: 3, depthwiseConv: 4, reshape: 22 };

/** A table: where it starts, and the fields it has. */
class Table {
  readonly #view: DataView;
  readonly #at: number;

  constructor(view: DataView, at: number) {
    this.#view = view;
    this.#at = at;
  }
  /** Where a field is; 0 when it has its default. */
  #field(index: number): number {
    const table = this.#at - this.#view.getInt32(this.#at, true);
    const entry = 4 + 2 * index;
    const offset = entry < this.#view.getUint16(table, true) ? this.#view.getUint16(table + entry, true) : 0;
    return offset === 0 ? 0 : this.#at + offset;
  }
  byte(index: number): number {
    const at = this.#field(index);
    return at === 0 ? 0 : this.#view.getInt8(at);
  }
  int(index: number): number {
    const at = this.#field(index);
    return at === 0 ? 0 : this.#view.getInt32(at, true);
  }
  table(index: number): Table {
    const at = this.#field(index);
    return new Table(this.#view, at + this.#view.getUint32(at, true));
  }
  /** Start and length of a vector. */
  #vector(index: number): readonly [start: number, length: number] {
    const at = this.#field(index);
    if (at === 0) return [0, 0];
    const start = at + this.#view.getUint32(at, true);
    return [start + 4, this.#view.getUint32(start, true)];
  }
  tables(index: number): Table[] {
    const [start, length] = this.#vector(index);
    return Array.from({ length }, (_, i) => {
      const at = start + 4 * i;
      return new Table(this.#view, at + this.#view.getUint32(at, true));
    });
  }
  ints(index: number): number[] {
    const [start, length] = this.#vector(index);
    return Array.from({ length }, (_, i) => this.#view.getInt32(start + 4 * i, true));
  }
  floats(index: number): number[] {
    const [start, length] = this.#vector(index);
    return Array.from({ length }, (_, i) => this.#view.getFloat32(start + 4 * i, true));
  }
  bytes(index: number): DataView {
    const [start, length] = this.#vector(index);
    return new DataView(this.#view.buffer, this.#view.byteOffset + start, length);
  }
}

/** Input `x` float32 [batch, 1, 96, 96], grey from −1 to 1; output `y` float32 [batch, 2]: no person, person. */
export function personDetect(file: Uint8Array): Model {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const root = new Table(view, view.getUint32(0, true));
  const codes = root.tables(MODEL.codes).map((code) => code.byte(0));
  const buffers = root.tables(MODEL.buffers);
  const [graph] = root.tables(MODEL.graphs);
  const tensors = graph?.tables(GRAPH.tensors) ?? [];
  const tensor = (index: number | undefined): Table => tensors[index ?? -1] ?? missing();
  const data = (of: Table): DataView => (buffers[of.int(TENSOR.buffer)] ?? missing()).bytes(0);
  return buildModel((b) => {
    const [low, high] = [b.floats('low', [], [0]), b.floats('high', [], [6])];
    let value = b.input('x', 'float32', ['batch', 1, 96, 96]);
    for (const [index, operator] of (graph?.tables(GRAPH.operators) ?? []).entries()) {
      const code = codes[operator.int(OPERATOR.code)];
      const [input, weights, bias] = operator.ints(OPERATOR.inputs);
      if (code === CODES.averagePool) value = b.op('GlobalAveragePool', [value]);
      if (code === CODES.reshape) value = b.op('Flatten', [value], { outputs: ['y'] });
      if (code !== CODES.conv && code !== CODES.depthwiseConv) continue;
      const isDepthwise = code === CODES.depthwiseConv;
      const [, from = 0, , channels = 0] = tensor(input).ints(TENSOR.shape);
      const [, to = 0] = tensor(operator.ints(OPERATOR.outputs)[0]).ints(TENSOR.shape);
      const shape = tensor(weights).ints(TENSOR.shape);
      const stride = operator.table(OPERATOR.options).int(2);
      const scaled = (
        of: Table,
        read: (view: DataView, i: number) => number,
        count: number,
        size: number,
      ): number[] => {
        const scales = of.table(TENSOR.quantization).floats(QUANTIZATION.scale);
        const from = data(of);
        // The channel is the last axis of depthwise weights and the first of others.
        const axis = of.table(TENSOR.quantization).int(QUANTIZATION.dimension);
        const channel = (i: number): number => (axis === 0 ? Math.floor(i / size) : i % scales.length);
        return Array.from({ length: count }, (_, i) => read(from, i) * (scales[channel(i)] ?? NaN));
      };
      const [a = 0, rows = 0, columns = 0, d = 0] = shape;
      const count = a * rows * columns * d;
      const w = scaled(tensor(weights), (from, i) => from.getInt8(i), count, count / a);
      // [1, rows, columns, channels] or [outputs, rows, columns, inputs]: both come to [outputs, inputs, rows, columns].
      const [outputs, inputs] = isDepthwise ? [d, 1] : [a, d];
      const place = rows * columns;
      const turned = w.map((_, i) => {
        const [o, within] = [Math.floor(i / (inputs * place)), i % (inputs * place)];
        const [c, at] = [Math.floor(within / place), within % place];
        return w[isDepthwise ? at * d + o : (o * place + at) * d + c] ?? NaN;
      });
      const padding = Math.max(0, (to - 1) * stride + rows - from);
      const [before, after] = [Math.floor(padding / 2), Math.ceil(padding / 2)];
      const biases = scaled(tensor(bias), (from, i) => from.getInt32(4 * i, true), outputs, 1);
      const operands = [
        value,
        b.floats(`w${index}`, [outputs, inputs, rows, columns], turned),
        b.floats(`b${index}`, [outputs], biases),
      ];
      const attributes = [
        intAttribute('group', isDepthwise ? channels : 1),
        intsAttribute('strides', [stride, stride]),
        intsAttribute('pads', [before, before, after, after]),
      ];
      value = b.op('Conv', operands, { name: `conv${index}`, attributes });
      const hasLimit = operator.table(OPERATOR.options).byte(isDepthwise ? 4 : 3) !== 0;
      if (hasLimit) value = b.op('Clip', [value, low, high], { name: `relu6_${index}` });
    }
    b.output('y', 'float32', ['batch', 2]);
  });
}

function missing(): never {
  throw new Error('the file is not the one this was written for');
}

/** The grey values of an 8-bit bitmap, from the top, 0 to 255. */
export function greyBitmap(file: Uint8Array): Float64Array {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const [start, width, height] = [view.getUint32(10, true), view.getInt32(18, true), view.getInt32(22, true)];
  const row = Math.ceil(width / 4) * 4;
  return Float64Array.from({ length: width * Math.abs(height) }, (_, i) => {
    const y = Math.floor(i / width);
    return file[start + (height > 0 ? height - 1 - y : y) * row + (i % width)] ?? NaN;
  });
}
