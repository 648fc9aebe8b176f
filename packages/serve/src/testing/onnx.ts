/**
 * Small ONNX models for tests and benchmarks, written field by field (onnx.proto3), so that this room needs no other to
 * make its fixtures.
 */
import { type DType, type Dim, BYTES_PER_ELEMENT } from '@slipway/core';

const ELEMENT_TYPE: Partial<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
};

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 0x80);
  return [...bytes, value];
}

type Field = [number, string | number | Buffer];

function message(...fields: Field[]): Buffer {
  return Buffer.concat(
    fields.map(([number, value]) => {
      if (typeof value === 'number') return Buffer.from([...varint(number * 8), ...varint(value)]);
      const bytes = Buffer.from(value);
      return Buffer.concat([Buffer.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes]);
    }),
  );
}

interface TensorInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

function valueInfo({ name, dtype, shape }: TensorInfo): Buffer {
  const dims = shape.map((dim): Field => [1, message(typeof dim === 'number' ? [1, dim] : [2, dim])]);
  return message([1, name], [2, message([1, message([1, ELEMENT_TYPE[dtype] ?? 0], [2, message(...dims)])])]);
}

interface Weights {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

interface Node {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Integer attributes. */
  readonly attributes?: Readonly<Record<string, number>>;
}

function onnxModel(graph: { inputs: TensorInfo[]; outputs: TensorInfo[]; weights: Weights[]; nodes: Node[] }): Buffer {
  const graphFields: Field[] = [
    ...graph.nodes.map(({ op, inputs, outputs, attributes }): Field => [
      1,
      message(
        ...inputs.map((name): Field => [1, name]),
        ...outputs.map((name): Field => [2, name]),
        [4, op],
        ...Object.entries(attributes ?? {}).map(([name, value]): Field => [5, message([1, name], [3, value], [20, 2])]),
      ),
    ]),
    [2, 'test'],
    ...graph.weights.map(({ name, shape, data }): Field => [
      5,
      message(
        ...shape.map((dim): Field => [1, dim]),
        [2, data instanceof Float32Array ? 1 : 7],
        [8, name],
        [
          9,
          Buffer.from(
            data.buffer,
            data.byteOffset,
            data.length * BYTES_PER_ELEMENT[data instanceof Float32Array ? 'float32' : 'int64'],
          ),
        ],
      ),
    ]),
    ...graph.inputs.map((info): Field => [11, valueInfo(info)]),
    ...graph.outputs.map((info): Field => [12, valueInfo(info)]),
  ];
  return message([1, 8], [7, message(...graphFields)], [8, message([1, ''], [2, 17])]);
}

/** y = weight · x, float32 [batch, 1]. */
export function oneWeightModel(weight = 2): Buffer {
  return onnxModel({
    inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 1] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', 1] }],
    weights: [{ name: 'w', shape: [1], data: Float32Array.of(weight) }],
    nodes: [{ op: 'Mul', inputs: ['x', 'w'], outputs: ['y'] }],
  });
}

/** out = in, of any dtype; a second pair of int64 tensors when `pairs` is 2. */
export function identityModel(dtype: DType, shape: readonly Dim[], pairs: 1 | 2 = 1): Buffer {
  const inputs: TensorInfo[] = [{ name: 'in', dtype, shape }];
  const outputs: TensorInfo[] = [{ name: 'out', dtype, shape }];
  const nodes: Node[] = [{ op: 'Identity', inputs: ['in'], outputs: ['out'] }];
  if (pairs === 2) {
    inputs.push({ name: 'in2', dtype: 'int64', shape: [shape[0] ?? 1, 2] });
    outputs.push({ name: 'out2', dtype: 'int64', shape: [shape[0] ?? 1, 2] });
    nodes.push({ op: 'Identity', inputs: ['in2'], outputs: ['out2'] });
  }
  return onnxModel({ inputs, outputs, nodes, weights: [] });
}

/** Dense layers with ReLU between, float32; weights from a fixed sequence. */
export function mlpModel(sizes: readonly number[]): Buffer {
  let seed = 1;
  const random = (): number => {
    seed = (seed * 48271) % 2147483647;
    return seed / 2147483647 - 0.5;
  };
  const weights: Weights[] = [];
  const nodes: Node[] = [];
  let from = 'x';
  for (let layer = 1; layer < sizes.length; layer++) {
    const [rows = 1, columns = 1] = sizes.slice(layer - 1);
    weights.push({
      name: `w${layer}`,
      shape: [rows, columns],
      data: Float32Array.from({ length: rows * columns }, () => random() / Math.sqrt(rows)),
    });
    weights.push({ name: `b${layer}`, shape: [columns], data: Float32Array.from({ length: columns }, random) });
    const last = layer === sizes.length - 1;
    nodes.push({ op: 'Gemm', inputs: [from, `w${layer}`, `b${layer}`], outputs: [last ? 'y' : `h${layer}`] });
    if (!last) nodes.push({ op: 'Relu', inputs: [`h${layer}`], outputs: [(from = `r${layer}`)] });
  }
  return onnxModel({
    inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', sizes[0] ?? 1] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', sizes.at(-1) ?? 1] }],
    weights,
    nodes,
  });
}

/** scores = in as float32, one score per element of a row. */
export function scoresModel(dtype: DType, row: readonly number[]): Buffer {
  const width = row.reduce((product, size) => product * size, 1);
  return onnxModel({
    inputs: [{ name: 'in', dtype, shape: ['batch', ...row] }],
    outputs: [{ name: 'scores', dtype: 'float32', shape: ['batch', width] }],
    weights: [],
    nodes: [
      { op: 'Flatten', inputs: ['in'], outputs: ['flat'], attributes: { axis: 1 } },
      { op: 'Cast', inputs: ['flat'], outputs: ['scores'], attributes: { to: 1 } },
    ],
  });
}
