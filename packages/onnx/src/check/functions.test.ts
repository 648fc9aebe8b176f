import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { buildModel } from '../build/builder.ts';
import { modelFromProto, modelToProto } from '../convert/model.ts';
import { FunctionProtoSchema, NodeProtoSchema, OperatorSetIdProtoSchema } from '../generated/onnx_pb.ts';
import type { Model } from '../ir/model.ts';
import { checkModel } from './check.ts';

/** A model with functions of domain `f`, each a chain of calls of one input. */
function withFunctions(functions: Readonly<Record<string, readonly string[]>>): Model {
  const model = buildModel(
    (b) => {
      b.op('a', [b.input('x', 'float32', [1])], { domain: 'f', outputs: ['y'] });
      b.output('y', 'float32', [1]);
    },
    { imports: { f: 1 } },
  );
  const proto = modelToProto(model);
  proto.functions = Object.entries(functions).map(([name, called]) =>
    create(FunctionProtoSchema, {
      name,
      domain: 'f',
      input: ['v0'],
      output: [`v${called.length}`],
      opsetImport: ['', 'f'].map((domain) =>
        create(OperatorSetIdProtoSchema, { domain, version: domain === '' ? 17n : 1n }),
      ),
      node: called.map((opType, index) =>
        create(NodeProtoSchema, {
          opType,
          domain: opType in functions ? 'f' : '',
          input: [`v${index}`],
          output: [`v${index + 1}`],
        }),
      ),
    }),
  );
  return modelFromProto(proto);
}

const problems = (functions: Readonly<Record<string, readonly string[]>>): string[] =>
  checkModel(withFunctions(functions)).map(({ where, problem }) => `${where}: ${problem}`);

describe('functions', () => {
  it('may call each other', () => {
    expect(problems({ a: ['b', 'Relu', 'b'], b: ['c'], c: ['Neg'] })).toEqual([]);
  });

  it('may not call themselves', () => {
    expect(problems({ a: ['a'] })).toEqual(['function "f.a": calls itself: f.a → f.a']);
    expect(problems({ a: ['Relu', 'b'], b: ['c'], c: ['b'] })).toEqual([
      'function "f.b": calls itself: f.b → f.c → f.b',
    ]);
  });

  it('are checked inside', () => {
    expect(problems({ a: ['Reluu'] })).toEqual([
      'function "f.a" / node #0 (Reluu): Reluu is not an operator of domain "ai.onnx"',
    ]);
  });

  it('may be chained 20,000 deep without exhausting the stack', () => {
    const count = 20_000;
    const chain = Object.fromEntries(
      Array.from({ length: count }, (_, index) => [
        index === 0 ? 'a' : `g${index}`,
        [index === count - 1 ? 'a' : `g${index + 1}`],
      ]),
    );
    expect(problems(chain)[0]).toMatch(/calls itself/);
  });
});
