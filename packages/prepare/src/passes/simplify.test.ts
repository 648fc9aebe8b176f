import { buildModel, encodeModel, mlpModel } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { simplifyPass } from './simplify.ts';
import { offlineContext } from './testing/context.ts';

const model = buildModel((b) => {
  const x = b.input('x', 'float32', ['batch', 3]);
  const product = b.op('MatMul', [b.op('Identity', [x]), b.floats('w', [3, 2], [1, 2, 3, 4, 5, 6])]);
  b.output(b.op('Add', [product, b.floats('b', [2], [1, 2])], { outputs: ['y'] }), 'float32', ['batch', 2]);
});

describe('the simplify pass', () => {
  it('says what it could do without doing it', () => {
    expect(simplifyPass.assess(model)).toMatchObject({ applicable: true, targets: 2 });
    expect(simplifyPass.assess(mlpModel({ layers: [4, 3] }))).toMatchObject({ applicable: false, targets: 0 });
  });

  it('says what it did, and does the same every time', async () => {
    const result = await simplifyPass.apply(model, { pass: 'simplify' }, offlineContext());
    expect(result.model.graph.nodes.map(({ op }) => op)).toEqual(['Gemm']);
    expect(result.notes).toEqual([
      '3 nodes → 1 node, with the same results up to rounding.',
      'Applied: eliminate-identity 1, fuse-matmul-add 1.',
    ]);
    const again = await simplifyPass.apply(model, { pass: 'simplify' }, offlineContext());
    expect(encodeModel(again.model)).toEqual(encodeModel(result.model));
  });

  it('leaves fusion out in exact mode', async () => {
    const { model: exact } = await simplifyPass.apply(model, { pass: 'simplify', exact: true }, offlineContext());
    expect(exact.graph.nodes.map(({ op }) => op)).toEqual(['MatMul', 'Add']);
  });

  it.each([
    [{ skip: ['fuse-everything'] }, /no rewrite "fuse-everything"/],
    [{ inputShapes: { z: [1, 3] } }, /no tensor input "z"/],
    [{ inputShapes: { x: [1, 4] } }, /\[1, 4\] does not fit/],
  ])('refuses %j', async (options, problem) => {
    const applied = simplifyPass.apply(model, { pass: 'simplify', ...options }, offlineContext());
    await expect(applied).rejects.toThrow(problem);
  });
});
