/**
 * ONNX files of a few bytes, good and bad, written by hand: field numbers are those of onnx.proto. Tests of this room need
 * models that the ONNX language room would refuse to write.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';

/** ONNX's numbers for element types. */
export const ELEMENT = {
  ...{ float32: 1, uint8: 2, int8: 3, uint16: 4, int16: 5, int32: 6, int64: 7, string: 8, bool: 9, float16: 10 },
  ...{ float64: 11, uint32: 12, uint64: 13, bfloat16: 16 },
} as const;

type Bytes = readonly number[];

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value & 127) | 128);
  return [...bytes, value];
}
const integer = (field: number, value: number): number[] => [...varint(field << 3), ...varint(value)];
const nested = (field: number, content: Bytes): number[] => [
  ...varint((field << 3) | 2),
  ...varint(content.length),
  ...content,
];
const text = (field: number, value: string): number[] => nested(field, [...Buffer.from(value)]);

/** A named value; an empty string is a dimension of which nothing is known, `null` an unknown rank. */
export function value(name: string, element: keyof typeof ELEMENT, dims: readonly (number | string)[] | null): Bytes {
  const dimension = (dim: number | string): Bytes =>
    typeof dim === 'number' ? integer(1, dim) : dim === '' ? [] : text(2, dim);
  const shape =
    dims === null
      ? []
      : nested(
          2,
          dims.flatMap((dim) => nested(1, dimension(dim))),
        );
  return [...text(1, name), ...nested(2, nested(1, [...integer(1, ELEMENT[element]), ...shape]))];
}

export function node(operator: string, inputs: readonly string[], outputs: readonly string[], domain = ''): Bytes {
  const names = [...inputs.flatMap((name) => text(1, name)), ...outputs.flatMap((name) => text(2, name))];
  return [...names, ...text(3, `${operator}_0`), ...text(4, operator), ...(domain === '' ? [] : text(7, domain))];
}

/** A float32 [3] whose data is in another file. */
export function externalTensor(name: string, location: string, offset: number, length: number): Bytes {
  const entry = (key: string, content: string): Bytes => nested(13, [...text(1, key), ...text(2, content)]);
  const entries = [
    ...entry('location', location),
    ...entry('offset', String(offset)),
    ...entry('length', String(length)),
  ];
  return [...integer(1, 3), ...integer(2, ELEMENT.float32), ...text(8, name), ...entries, ...integer(14, 1)];
}

export interface TinyModel {
  readonly nodes: readonly Bytes[];
  readonly inputs: readonly Bytes[];
  readonly outputs: readonly Bytes[];
  readonly initializers?: readonly Bytes[];
  readonly ir?: number;
  readonly opset?: number;
}

export function tinyModel({ nodes, inputs, outputs, initializers = [], ir = 8, opset = 17 }: TinyModel): Buffer {
  const graph = [
    ...nodes.flatMap((content) => nested(1, content)),
    ...text(2, 'tiny'),
    ...initializers.flatMap((content) => nested(5, content)),
    ...inputs.flatMap((content) => nested(11, content)),
    ...outputs.flatMap((content) => nested(12, content)),
  ];
  return Buffer.from([...integer(1, ir), ...nested(7, graph), ...nested(8, [...text(1, ''), ...integer(2, opset)])]);
}

/** y = relu(x), float32 [N, 3]. */
export const relu: TinyModel = {
  nodes: [node('Relu', ['x'], ['y'])],
  inputs: [value('x', 'float32', ['N', 3])],
  outputs: [value('y', 'float32', ['N', 3])],
};

/** y = x, of any element type, [N]. */
export function identity(element: keyof typeof ELEMENT): TinyModel {
  const of = (name: string): Bytes => value(name, element, ['N']);
  return { nodes: [node('Identity', ['x'], ['y'])], inputs: [of('x')], outputs: [of('y')] };
}

/** y = table[index], which fails for an index out of range although it fits the signature. */
export const gather: TinyModel = {
  nodes: [node('Gather', ['table', 'index'], ['y'])],
  inputs: [value('table', 'float32', ['N']), value('index', 'int64', ['M'])],
  outputs: [value('y', 'float32', ['M'])],
};

/** A directory that is removed when the test ends. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'slipway-runtime-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** The path of a file with this content. */
export function temporaryFile(
  content: Uint8Array | string,
  name = 'model.onnx',
  directory = temporaryDirectory(),
): string {
  const file = path.join(directory, name);
  writeFileSync(file, content);
  return file;
}

export const modelFile = (model: TinyModel): string => temporaryFile(tinyModel(model));
