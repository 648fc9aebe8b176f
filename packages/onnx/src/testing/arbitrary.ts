/** Random models for property tests: well-formed graphs with every kind of attribute, tensor, type and subgraph. */
import fc from 'fast-check';
import {
  type Attribute,
  createAttribute,
  floatAttribute,
  floatsAttribute,
  graphAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
  stringsAttribute,
  tensorAttribute,
} from '../ir/attribute.ts';
import { ONNX_DTYPES, type OnnxDType, rawByteLength } from '../ir/dtype.ts';
import { createGraph, type Graph } from '../ir/graph.ts';
import { createInitializer, type Initializer } from '../ir/initializer.ts';
import { createModel, type Model } from '../ir/model.ts';
import { createNode, type Node } from '../ir/node.ts';
import { tensorType, type ValueType } from '../ir/type.ts';
import { createValueInfo } from '../ir/value-info.ts';

const FIXED = (Object.keys(ONNX_DTYPES) as OnnxDType[]).filter((dtype) => ONNX_DTYPES[dtype].bits > 0);

const text = (): fc.Arbitrary<string> => fc.string({ maxLength: 6, unit: 'grapheme' });

function anyInitializer(name: string): fc.Arbitrary<Initializer> {
  const raw = fc.tuple(fc.constantFrom(...FIXED), fc.array(fc.nat(4), { maxLength: 3 })).chain(([dtype, dims]) => {
    const length = rawByteLength(
      dtype,
      dims.reduce((a, b) => a * b, 1),
    );
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map((bytes) => createInitializer(name, dtype, dims, bytes));
  });
  const floats = fc
    .array(fc.float({ noNaN: true }), { maxLength: 5 })
    .map((values) =>
      createInitializer(name, 'float32', [values.length], { kind: 'field', field: 'floatData', values }),
    );
  const longs = fc
    .array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { maxLength: 5 })
    .map((values) => createInitializer(name, 'int64', [values.length], { kind: 'field', field: 'int64Data', values }));
  const ints = fc
    .array(fc.integer({ min: -128, max: 127 }), { maxLength: 5 })
    .map((values) => createInitializer(name, 'int8', [values.length], { kind: 'field', field: 'int32Data', values }));
  const strings = fc
    .array(fc.uint8Array({ maxLength: 5 }), { maxLength: 4 })
    .map((values) => createInitializer(name, 'string', [values.length], { kind: 'strings', values }));
  return fc.oneof(raw, floats, longs, ints, strings);
}

function anyType(depth = 2): fc.Arbitrary<ValueType> {
  const dim = fc.oneof(fc.nat(100), fc.constantFrom('batch', 'sequence', '?'));
  const tensor = fc
    .tuple(fc.constantFrom(...FIXED, 'string' as const), fc.option(fc.array(dim, { maxLength: 4 })))
    .map(([dtype, shape]) => tensorType(dtype, shape));
  if (depth === 0) return tensor;
  const inner = anyType(depth - 1);
  return fc.oneof(
    { weight: 4, arbitrary: tensor },
    { weight: 1, arbitrary: inner.map((element): ValueType => ({ kind: 'sequence', element })) },
    { weight: 1, arbitrary: inner.map((element): ValueType => ({ kind: 'optional', element })) },
    { weight: 1, arbitrary: inner.map((value): ValueType => ({ kind: 'map', key: 'int64', value })) },
  );
}

function anyAttribute(name: string, depth: number): fc.Arbitrary<Attribute> {
  const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  const plain: fc.Arbitrary<Attribute>[] = [
    long.map((value) => intAttribute(name, value)),
    fc.float({ noNaN: true }).map((value) => floatAttribute(name, value)),
    text().map((value) => stringAttribute(name, value)),
    fc.array(long, { maxLength: 4 }).map((value) => intsAttribute(name, value)),
    fc.array(fc.float({ noNaN: true }), { maxLength: 4 }).map((value) => floatsAttribute(name, value)),
    fc.array(text(), { maxLength: 3 }).map((value) => stringsAttribute(name, value)),
    anyInitializer('').map((value) => tensorAttribute(name, value)),
    anyType().map((value) => createAttribute('type', name, value)),
    text().map((value) => createAttribute('reference', name, `r${value}`)),
  ];
  return depth === 0
    ? fc.oneof(...plain)
    : fc.oneof(
        ...plain,
        anyGraph(depth - 1).map((graph) => graphAttribute(name, graph)),
      );
}

/** Each node reads values made before it, so the graph is in order and without cycles. */
export function anyGraph(depth = 1): fc.Arbitrary<Graph> {
  const shape = fc.record({
    inputs: fc.array(anyType(), { maxLength: 3 }),
    initializers: fc.nat(3),
    nodes: fc.array(
      fc.record({
        op: text(),
        reads: fc.array(fc.nat(), { maxLength: 3 }),
        attributes: fc.nat(2),
        outputs: fc.integer({ min: 1, max: 2 }),
      }),
      {
        maxLength: 6,
      },
    ),
  });
  return shape.chain(({ inputs, initializers, nodes }) =>
    fc
      .record({
        initializers: fc.tuple(...Array.from({ length: initializers }, (_, index) => anyInitializer(`w${index}`))),
        attributes: fc.tuple(
          ...nodes.map((node) =>
            fc.tuple(...Array.from({ length: node.attributes }, (_, index) => anyAttribute(`a${index}`, depth))),
          ),
        ),
        notes: anyType(),
      })
      .map((made) => {
        const values = [...inputs.map((_, index) => `x${index}`), ...made.initializers.map(({ name }) => name)];
        const built: Node[] = nodes.map(({ op, reads, outputs }, index) => {
          const from = values.length === 0 ? [] : reads.map((read) => values[read % values.length] ?? '');
          const to = Array.from({ length: outputs }, (_, output) => `y${index}_${output}`);
          values.push(...to);
          return createNode(op, from, to, { name: `n${index}`, attributes: made.attributes[index] ?? [] });
        });
        const last = values.at(-1);
        return createGraph({
          nodes: built,
          inputs: inputs.map((type, index) => createValueInfo(`x${index}`, type)),
          outputs: last === undefined ? [] : [createValueInfo(last, made.notes)],
          initializers: made.initializers,
          valueInfo: built.slice(0, 2).map((node) => createValueInfo(node.outputs[0] ?? '', made.notes)),
        });
      }),
  );
}

export function anyModel(): fc.Arbitrary<Model> {
  return fc
    .record({
      graph: anyGraph(),
      opset: fc.integer({ min: 1, max: 25 }),
      metadata: fc.dictionary(text(), text(), { maxKeys: 3 }),
    })
    .map(({ graph, opset, metadata }) =>
      createModel({
        graph,
        opsets: [
          ['', opset],
          ['com.microsoft', 1],
        ],
        metadata: Object.entries(metadata),
      }),
    );
}
