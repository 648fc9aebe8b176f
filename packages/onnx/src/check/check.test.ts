import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Builder, type BuildOptions, buildGraph, buildModel } from '../build/builder.ts';
import { mlpModel, oneWeightModel } from '../build/models.ts';
import { decodeModel } from '../codec/decode.ts';
import { floatAttribute, graphAttribute, intAttribute, tensorAttribute } from '../ir/attribute.ts';
import { createInitializer, type TensorData } from '../ir/initializer.ts';
import { createModel, type Model } from '../ir/model.ts';
import { SHARED_MODELS, sharedModel, sharedModelsExist } from '../testing/shared-models.ts';
import { assertModel, checkModel } from './check.ts';
import { SchemaTable } from './schemas.ts';

/** A model that is right but for what `body` adds to it: x float32[n, 4] → Relu → y. */
function wrong(body: (b: Builder) => void, options?: BuildOptions): Model {
  return buildModel((b) => {
    b.input('x', 'float32', ['n', 4]);
    b.op('Relu', ['x'], { outputs: ['y'], name: 'relu' });
    b.output('y', 'float32', ['n', 4]);
    body(b);
  }, options);
}

const constant = (
  dims: readonly number[],
  data: TensorData | Uint8Array,
  dtype: 'float32' | 'int4' | 'string' = 'float32',
): Model => wrong((b) => b.initializer(createInitializer('w', dtype, dims, data)));

const inner = (body: (b: Builder) => void): Model =>
  wrong((b) => {
    b.input('c', 'bool', []);
    const graph = buildGraph(body, 'inside');
    b.op('If', ['c'], {
      outputs: ['z'],
      name: 'if',
      attributes: [graphAttribute('then_branch', graph), graphAttribute('else_branch', graph)],
    });
  });

const INVALID: readonly [what: string, model: Model, problem: string][] = [
  [
    'an undefined input',
    wrong((b) => b.op('Neg', ['nowhere'], { name: 'neg' })),
    'graph / node #1 "neg" (Neg): reads "nowhere", which is not an input, an initializer or the output of a node',
  ],
  [
    'nodes out of order',
    wrong((b) => {
      b.op('Neg', ['late'], { outputs: ['a'], name: 'neg' });
      b.op('Abs', ['x'], { outputs: ['late'], name: 'abs' });
    }),
    'graph / node #1 "neg" (Neg): reads "late" before node #2 "abs" (Abs) computes it: nodes must be in order',
  ],
  [
    'a value computed twice',
    wrong((b) => b.op('Neg', ['x'], { outputs: ['y'], name: 'neg' })),
    'graph / node #1 "neg" (Neg): defines "y", which is already node #0 "relu" (Relu)',
  ],
  [
    'a value that is also an input',
    wrong((b) => b.op('Neg', ['y'], { outputs: ['x'], name: 'neg' })),
    'graph / node #1 "neg" (Neg): defines "x", which is already input "x"',
  ],
  [
    'two nodes of one name',
    wrong((b) => b.op('Neg', ['x'], { name: 'relu' })),
    'graph / node #1 "relu" (Neg): has the name of node #0',
  ],
  [
    'an output nobody computes',
    wrong((b) => b.output('none', 'float32', [])),
    'graph / output "none": is computed by no node',
  ],
  ['an output listed twice', wrong((b) => b.output('y', 'float32', [])), 'graph / output "y": is listed twice'],
  [
    'a domain not imported',
    wrong((b) => b.op('Gelu', ['x'], { domain: 'com.microsoft', name: 'gelu' })),
    'graph / node #1 "gelu" (com.microsoft.Gelu): uses domain "com.microsoft", which the model does not import',
  ],
  [
    'an operator that does not exist',
    wrong((b) => b.op('Convolution', ['x'], { name: 'c' })),
    'graph / node #1 "c" (Convolution): Convolution is not an operator of domain "ai.onnx"',
  ],
  [
    'an operator that came later',
    wrong((b) => b.op('Gelu', ['x'], { name: 'g' })),
    'graph / node #1 "g" (Gelu): Gelu does not exist in opset 17 of domain "ai.onnx"',
  ],
  [
    'an operator that was removed',
    wrong((b) => b.op('Upsample', ['x', 'x'], { name: 'u' })),
    'graph / node #1 "u" (Upsample): Upsample was removed in opset 10 of domain "ai.onnx"; the model imports 17',
  ],
  [
    'too few inputs',
    wrong((b) => b.op('MatMul', ['x'], { name: 'm' })),
    'graph / node #1 "m" (MatMul): has 1 inputs, MatMul (since opset 13) takes 2',
  ],
  [
    'too many outputs',
    wrong((b) => b.op('Neg', ['x'], { name: 'n', outputs: ['a', 'b'] })),
    'graph / node #1 "n" (Neg): has 2 outputs, Neg (since opset 13) takes 1',
  ],
  [
    'an unknown attribute',
    wrong((b) => b.op('Softmax', ['x'], { name: 's', attributes: [intAttribute('axes', 1)] })),
    'graph / node #1 "s" (Softmax): has the attribute "axes", which Softmax (since opset 13) does not have, did you mean "axis"?',
  ],
  [
    'an attribute of another type',
    wrong((b) => b.op('Softmax', ['x'], { name: 's', attributes: [floatAttribute('axis', 1)] })),
    'graph / node #1 "s" (Softmax): attribute "axis" is of type float, expected int',
  ],
  [
    'a missing attribute',
    wrong((b) => b.op('Cast', ['x'], { name: 'c' })),
    'graph / node #1 "c" (Cast): lacks the attribute "to", which Cast requires',
  ],
  ['too few bytes', constant([4], new Uint8Array(12)), 'graph / initializer "w": holds 12 bytes, float32[4] needs 16'],
  [
    'too many packed bytes',
    constant([3], new Uint8Array(3), 'int4'),
    'graph / initializer "w": holds 3 bytes, int4[3] needs 2',
  ],
  [
    'too few numbers',
    constant([4], { kind: 'field', field: 'floatData', values: [1] }),
    'graph / initializer "w": holds 1 elements in floatData, float32[4] needs 4',
  ],
  [
    'numbers of another type',
    constant([1], { kind: 'field', field: 'int32Data', values: [1] }),
    'graph / initializer "w": stores float32 elements in int32Data, expected floatData',
  ],
  [
    'too few strings',
    constant([2], { kind: 'strings', values: [] }, 'string'),
    'graph / initializer "w": holds 0 strings, string[2] needs 2',
  ],
  [
    'a negative dimension',
    constant([-1], new Uint8Array(0)),
    'graph / initializer "w": has the dims [-1]; a constant cannot have a negative dimension',
  ],
  [
    '2^60 elements',
    constant([2 ** 30, 2 ** 30], new Uint8Array(0)),
    'graph / initializer "w": has the dims [1073741824, 1073741824], more than 2^53 elements',
  ],
  [
    'a broken constant in an attribute',
    wrong((b) =>
      b.op('Constant', [], {
        name: 'k',
        attributes: [tensorAttribute('value', createInitializer('', 'float32', [2], new Uint8Array(1)))],
      }),
    ),
    'graph / node #1 "k" (Constant) / attribute "value": holds 1 bytes, float32[2] needs 8',
  ],
  [
    'an undefined value in a subgraph',
    inner((b) => {
      b.op('Neg', ['gone'], { outputs: ['i'], name: 'neg' });
      b.output('i', 'float32', null);
    }),
    'graph / node #1 "if" (If) / graph "inside" / node #0 "neg" (Neg): reads "gone", which is not an input, an initializer or the output of a node',
  ],
  [
    'a subgraph that defines a value again',
    inner((b) => {
      b.op('Neg', ['x'], { outputs: ['y'], name: 'neg' });
      b.output('y', 'float32', null);
    }),
    'graph / node #1 "if" (If) / graph "inside" / node #0 "neg" (Neg): defines "y", which is already a value of a graph around it',
  ],
  [
    'no outputs',
    buildModel((b) => b.op('Relu', [b.input('x', 'float32', [])], { name: 'r' })),
    'graph: has no outputs',
  ],
  ['no IR version', wrong(() => undefined, { irVersion: 0 }), 'model: says no IR version'],
  ['no operator sets', createModel({ ...oneWeightModel(), opsets: [] }), 'model: imports no operator set'],
];

const lines = (model: Model): string[] => checkModel(model).map(({ where, problem }) => `${where}: ${problem}`);

describe('checkModel', () => {
  it.each(INVALID)('reports %s', (_, model, problem) => {
    expect(lines(model)).toContain(problem);
    expect(() => assertModel(model, 'm.onnx')).toThrow(/^m\.onnx: /);
  });

  it('reports a cycle once, with nodes on it', () => {
    const model = wrong((b) => {
      b.op('Neg', ['q'], { outputs: ['p'], name: 'one' });
      b.op('Neg', ['p'], { outputs: ['q'], name: 'two' });
    });
    expect(lines(model)).toEqual([
      'graph: the nodes form a cycle: 2 nodes wait for each other, among them Neg node "one", Neg node "two"',
    ]);
  });

  it('says how many problems there are besides the first', () => {
    const model = wrong((b) => {
      b.op('Neg', ['p'], { name: 'one' });
      b.op('Neg', ['q'], { name: 'two' });
    });
    expect(() => assertModel(model, 'm.onnx')).toThrow(/node #1 "one" .* \(and 1 more\)$/);
  });

  it('lists custom operators and operator sets newer than it, without calling them wrong', () => {
    const custom = wrong((b) => b.op('Blend', ['x'], { domain: 'acme', name: 'b' }), { imports: { acme: 1 } });
    expect(checkModel(custom)).toEqual([
      {
        where: 'graph / node #1 "b" (acme.Blend)',
        problem: 'acme.Blend is a custom operator: domain "acme" is not one that ONNX Runtime knows',
        kind: 'unsupported',
      },
    ]);
    assertModel(custom, 'm.onnx');
    expect(checkModel(wrong(() => undefined, { opset: 99, irVersion: 40 })).map(({ kind }) => kind)).toEqual([
      'unsupported',
      'unsupported',
    ]);
  });

  it('looks for external data where it must be', () => {
    const directory = mkdtempSync(join(tmpdir(), 'slipway-check-'));
    try {
      writeFileSync(join(directory, 'w.bin'), new Uint8Array(8));
      const model = (location: string, dims: readonly number[]): Model =>
        constant(dims, { kind: 'external', location, offset: 0, length: null, checksum: null, directory: null });
      expect(checkModel(model('w.bin', [2]), { baseDirectory: directory })).toEqual([]);
      expect(lines(model('w.bin', [3]))).toEqual([]);
      const check = (bad: Model): string | undefined => checkModel(bad, { baseDirectory: directory })[0]?.problem;
      expect(check(model('w.bin', [3]))).toBe('external data needs bytes 0 to 12 of "w.bin", which has 8');
      expect(check(model('../w.bin', [2]))).toMatch(/external data is at "..\/w.bin", which is not a relative path/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('bounds what it reports', () => {
    const model = wrong((b) => {
      for (let index = 0; index < 1000; index++) b.op('Neg', [`none${index}`], { outputs: [`v${index}`] });
    });
    expect(checkModel(model)).toHaveLength(100);
  });

  it('accepts good models', () => {
    expect(checkModel(mlpModel())).toEqual([]);
    expect(checkModel(oneWeightModel())).toEqual([]);
  });

  it.skipIf(!sharedModelsExist)('accepts real models (needs ../shared/data)', () => {
    for (const name of SHARED_MODELS) expect(checkModel(decodeModel(sharedModel(name)))).toEqual([]);
  });
});

describe('the schema table', () => {
  it('has the standard operators in all their versions', () => {
    const table = new SchemaTable();
    expect(table.find('', 'Clip', 6)?.attributes.has('min')).toBe(true);
    expect(table.find('', 'Clip', 11)?.inputs).toEqual([1, 3]);
    expect(table.find('', 'Concat', 17)?.inputs).toEqual([1, Infinity]);
    expect(table.find('', 'If', 17)?.attributes.get('then_branch')).toEqual({ kind: 'graph', required: true });
    expect(table.find('', 'LayerNormalization', 16)).toBeUndefined();
    expect(table.find('ai.onnx.ml', 'TreeEnsemble', 5)?.since).toBe(5);
  });
});
