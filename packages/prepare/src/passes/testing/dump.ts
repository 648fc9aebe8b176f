/** A graph as text that a person can read and compare: what golden files hold. */
import {
  type Attribute,
  describeType,
  floatsOf,
  type Initializer,
  integersOf,
  type Model,
  opName,
  tensorType,
  toTensor,
} from '@slipway/onnx';

export function dump({ graph, opsets }: Model): string {
  return [
    `opset ${opsets.get('') ?? '?'}`,
    ...graph.inputs.map(({ name, type }) => `input  ${name} ${describeType(type)}`),
    ...graph.outputs.map(({ name, type }) => `output ${name} ${describeType(type)}`),
    '',
    ...[...graph.initializers.values()].map(dumpInitializer),
    '',
    ...graph.nodes.map((node) => {
      const attributes = [...node.attributes.values()].map(dumpAttribute);
      const list = attributes.length === 0 ? '' : ` {${attributes.join(', ')}}`;
      return `${node.outputs.join(', ')} = ${opName(node)}(${node.inputs.join(', ')})${list}${node.name === '' ? '' : `   # ${node.name}`}`;
    }),
    '',
  ].join('\n');
}

function dumpInitializer(initializer: Initializer): string {
  // As the numbers they stand for, not as bits.
  const packed = /int[24]$/.test(initializer.dtype);
  const half = /float16$/.test(initializer.dtype);
  const data = packed ? integersOf(initializer) : half ? floatsOf(initializer) : toTensor(initializer).data;
  const values = Array.from(data as Float32Array, (value) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value,
  );
  const shown = values.length > 24 ? [...values.slice(0, 24), '…'] : values;
  return `${initializer.name} ${describeType(tensorType(initializer.dtype, initializer.dims))} = ${shown.join(' ')}`;
}

function dumpAttribute(attribute: Attribute): string {
  const { kind, name, value } = attribute;
  if (kind === 'string') return `${name}: ${new TextDecoder().decode(value)}`;
  if (kind === 'ints' || kind === 'floats') return `${name}: [${value.join(', ')}]`;
  return `${name}: ${kind === 'int' || kind === 'float' ? value : kind}`;
}
