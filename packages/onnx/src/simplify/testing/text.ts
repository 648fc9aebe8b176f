/**
 * Graphs as text that a person can read and write, for golden tests. One line per thing, subgraphs indented:
 *
 *     input x float32[N, 3]
 *     const w float32[3] = 1 2 3
 *     y = Mul(x, w)
 *     z = Transpose{perm=[1, 0]}(y)
 *     output z float32
 *
 * Attributes: `1` is an int, `1.0` a float, `[1, 2]` ints, `"text"` a string, `int64[1] 5` a tensor. `_` is an input left out.
 */
import type { Attribute } from '../../ir/attribute.ts';
import {
  floatAttribute,
  graphAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
  tensorAttribute,
} from '../../ir/attribute.ts';
import type { OnnxDType } from '../../ir/dtype.ts';
import { floatsOf, integersOf } from '../../ir/elements.ts';
import { createGraph, type Graph } from '../../ir/graph.ts';
import { createInitializer, type Initializer } from '../../ir/initializer.ts';
import { createNode, type Node } from '../../ir/node.ts';
import { isTensorType, type Shape } from '../../ir/type.ts';
import { tensorInfo, type ValueInfo } from '../../ir/value-info.ts';

const TYPE = /^(\w+)(?:\[(.*)\])?$/;

function parseType(text: string): { dtype: OnnxDType; shape: Shape | null } {
  const [, dtype = '', dims] = TYPE.exec(text) ?? [];
  const shape = dims
    ?.split(',')
    .filter((dim) => dim.trim() !== '')
    .map((dim) => (/^\d+$/.test(dim.trim()) ? Number(dim) : dim.trim()));
  return { dtype: dtype as OnnxDType, shape: shape ?? null };
}

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  bool: Uint8Array,
  uint8: Uint8Array,
  int8: Int8Array,
} as const;

function parseTensor(name: string, type: string, values: string): Initializer {
  const { dtype, shape } = parseType(type);
  const dims = (shape ?? []) as number[];
  const count = dims.reduce((product, dim) => product * dim, 1);
  const given = values
    .trim()
    .split(/\s+/)
    .filter((value) => value !== '');
  // Fewer values than elements: they repeat, so that a large constant is short to write.
  const numbers = Array.from({ length: count }, (_, index) => given[index % given.length] ?? '0');
  const data =
    dtype === 'int64'
      ? BigInt64Array.from(numbers, BigInt)
      : ARRAYS[dtype as keyof typeof ARRAYS].from(numbers.map(Number));
  return createInitializer(name, dtype, dims, new Uint8Array(data.buffer));
}

function parseAttribute(text: string): Attribute {
  const [, name = '', value = ''] = /^\s*(\w+)\s*=\s*(.*)$/.exec(text) ?? [];
  if (value.startsWith('"')) return stringAttribute(name, value.slice(1, -1));
  if (value.startsWith('[')) {
    return intsAttribute(
      name,
      value
        .slice(1, -1)
        .split(',')
        .filter((item) => item.trim() !== '')
        .map(Number),
    );
  }
  if (/^-?\d+$/.test(value)) return intAttribute(name, BigInt(value));
  if (/^-?[\d.e-]+$/.test(value)) return floatAttribute(name, Number(value));
  const [, type = '', values = ''] = /^(\w+\[[^\]]*\])\s*(.*)$/.exec(value) ?? [];
  return tensorAttribute(name, parseTensor('', type, values));
}

/** Splits at commas outside of brackets and quotes. */
const list = (text: string): string[] =>
  (text.trim() === '' ? [] : text.split(/,(?![^[]*\])(?=(?:[^"]*"[^"]*")*[^"]*$)/)).map((item) => item.trim());

const NODE = /^(.+?) = (?:([\w.]+)\.)?(\w+)(?:\{(.*)\})?\((.*)\)$/;

export function parseGraph(lines: readonly string[], name = 'graph'): Graph {
  const parts = {
    nodes: [] as Node[],
    inputs: [] as ValueInfo[],
    outputs: [] as ValueInfo[],
    initializers: [] as Initializer[],
  };
  const depthOf = (line: string): number => line.length - line.trimStart().length;
  for (let at = 0; at < lines.length; at++) {
    const line = (lines[at] ?? '').trim();
    const [word = '', value = '', type = ''] = line.split(/\s+/);
    if (line === '' || line.startsWith('#')) continue;
    if (word === 'input' || word === 'output') {
      const { dtype, shape } = parseType(line.slice(line.indexOf(type, word.length + value.length + 1)));
      parts[word === 'input' ? 'inputs' : 'outputs'].push(tensorInfo(value, dtype, shape));
    } else if (word === 'const') {
      const [, constantType = '', values = ''] = /^const \S+ (\w+\[[^\]]*\]) = (.*)$/.exec(line) ?? [];
      parts.initializers.push(parseTensor(value, constantType, values));
    } else {
      const [, outputs = '', domain = '', op = '', attributes = '', inputs = ''] = NODE.exec(line) ?? [];
      if (op === '') throw new Error(`cannot read "${line}"`);
      const own = list(attributes).map(parseAttribute);
      const depth = depthOf(lines[at] ?? '');
      // Subgraphs: a line with the attribute's name, then the graph, each deeper than the line above.
      while (at + 1 < lines.length && depthOf(lines[at + 1] ?? '') > depth) {
        const header = lines[++at] ?? '';
        const body: string[] = [];
        while (at + 1 < lines.length && depthOf(lines[at + 1] ?? '') > depthOf(header)) body.push(lines[++at] ?? '');
        own.push(graphAttribute(header.trim(), parseGraph(body, header.trim())));
      }
      const unnamed = (text: string): string => (text === '_' ? '' : text);
      const made = list(outputs).map(unnamed);
      parts.nodes.push(
        createNode(op, list(inputs).map(unnamed), made, { name: `n_${made[0] ?? ''}`, domain, attributes: own }),
      );
    }
  }
  return createGraph({ name, ...parts });
}

function printTensor({ dtype, dims, ...rest }: Initializer): string {
  const tensor = { dtype, dims, ...rest };
  const values = dtype.startsWith('float')
    ? Array.from(floatsOf(tensor), (value) => Number(value.toPrecision(6)))
    : integersOf(tensor);
  const shown = values.every((value) => Object.is(value, values[0])) ? values.slice(0, 1) : values;
  return `${dtype}[${dims.join(', ')}] ${shown.map((value) => (Object.is(value, -0) ? '-0' : value)).join(' ')}`;
}

function printAttribute(attribute: Attribute): string {
  const { name } = attribute;
  switch (attribute.kind) {
    case 'int':
      return `${name}=${attribute.value}`;
    case 'float':
      return `${name}=${Number.isInteger(attribute.value) ? attribute.value.toFixed(1) : attribute.value.toPrecision(6)}`;
    case 'ints':
      return `${name}=[${attribute.value.join(', ')}]`;
    case 'string':
      return `${name}="${Buffer.from(attribute.value).toString()}"`;
    case 'tensor':
      return `${name}=${printTensor(attribute.value)}`;
    default:
      return `${name}=<${attribute.kind}>`;
  }
}

export function printGraph(graph: Graph): string[] {
  const type = ({ type: value }: ValueInfo): string =>
    isTensorType(value) ? `${value.dtype}${value.shape === null ? '' : `[${value.shape.join(', ')}]`}` : '?';
  const lines = graph.inputs.map((input) => `input ${input.name} ${type(input)}`);
  for (const constant of [...graph.initializers.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    lines.push(`const ${constant.name} ${printTensor(constant).replace('] ', '] = ')}`);
  }
  const named = (name: string): string => (name === '' ? '_' : name);
  for (const node of graph.nodes) {
    const attributes = [...node.attributes.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const plain = attributes
      .filter(({ kind }) => kind !== 'graph')
      .map(printAttribute)
      .join(', ');
    const op = `${node.domain === '' ? '' : `${node.domain}.`}${node.op}${plain === '' ? '' : `{${plain}}`}`;
    lines.push(`${node.outputs.map(named).join(', ')} = ${op}(${node.inputs.map(named).join(', ')})`);
    for (const attribute of attributes) {
      if (attribute.kind !== 'graph') continue;
      lines.push(`  ${attribute.name}`, ...printGraph(attribute.value).map((line) => `    ${line}`));
    }
  }
  return [...lines, ...graph.outputs.map((output) => `output ${output.name} ${type(output)}`)];
}
