/** The two forms of a quantized model are one computation: the same numbers, bit for bit, from the same engine. */
import { type Model, MS_DOMAIN, opName } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { offlineContext, runningContext } from '../testing/context.ts';
import { dump } from '../testing/dump.ts';
import { randomCnn } from '../testing/random-cnn.ts';
import { datasetOf, floats, runModel } from '../testing/run.ts';
import { attention, cnn, everyOperator } from '../testing/quantizable.ts';
import { staticPass } from './pass.ts';

type Options = Partial<Parameters<typeof staticPass.apply>[1]>;

async function bothForms(model: Model, shape: readonly number[], options: Options = {}) {
  const rows = { x: floats(shape.with(0, 1), 8) };
  using context = runningContext(datasetOf(model, { x: floats(shape, 9) }));
  const [qdq, qoperator] = [
    await staticPass.apply(model, { pass: 'quantize.static', ...options }, context),
    await staticPass.apply(model, { pass: 'quantize.static', ...options, format: 'qoperator' }, context),
  ];
  const outputs = [await runModel(qdq.model, rows, context), await runModel(qoperator.model, rows, context)];
  return { qdq: outputs[0], qoperator: outputs[1], model: qoperator.model, notes: qoperator.notes };
}

describe('format: qoperator', () => {
  it.each<[string, Model, number[], Options, float: string[]]>([
    ['cnn', cnn(), [12, 1, 4, 4], {}, ['Softmax']],
    ['cnn of int8', cnn(), [12, 1, 4, 4], { activations: 'int8' }, ['Softmax']],
    ['cnn of uint8', cnn(), [12, 1, 4, 4], { weights: 'uint8', perChannel: false }, ['Softmax']],
    ['attention', attention(), [6, 4, 8], {}, ['Mul', 'Softmax', 'Add']],
    ['every operator', everyOperator(), [6, 4, 8, 8], {}, []],
  ])('computes what QDQ computes: %s', async (_, model, shape, options, float) => {
    const { qdq, qoperator, model: result } = await bothForms(model, shape, options);
    expect(qoperator).toEqual(qdq);
    // What remains of what the integer operators are made of: nothing but what was left in float.
    const computing = new Set([
      'Conv',
      'MatMul',
      'Gemm',
      'Add',
      'Mul',
      'Concat',
      'Where',
      'Sigmoid',
      'LeakyRelu',
      'Softmax',
    ]);
    expect(result.graph.nodes.map(opName).filter((op) => computing.has(op))).toEqual(float);
    expect(result.opsets.get(MS_DOMAIN)).toBe(1);
  });

  it('writes this', async () => {
    const { model } = await bothForms(everyOperator(), [6, 4, 8, 8]);
    await expect(dump(model)).toMatchFileSnapshot('golden/qoperator.txt');
  });

  it.each(Array.from({ length: 8 }, (_, seed) => 100 + seed))(
    'computes what QDQ computes: random CNN %i',
    async (seed) => {
      const { qdq, qoperator } = await bothForms(randomCnn(seed), [16, 4, 8, 8]);
      expect(qoperator).toEqual(qdq);
    },
  );

  it('is for 8 bits', async () => {
    const apply = async () =>
      staticPass.apply(cnn(), { pass: 'quantize.static', format: 'qoperator', weights: 'int4' }, offlineContext());
    await expect(apply()).rejects.toThrow('there are integer operators for 8 bits only');
  });
});
