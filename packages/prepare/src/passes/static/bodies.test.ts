/** Bodies of If, Loop and Scan: their tensors are calibrated, quantized and run like those around them. */
import type { Tensors } from '@slipway/core';
import type { Model } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { choice, loop, scan } from '../testing/bodies.ts';
import { runningContext } from '../testing/context.ts';
import { datasetOf, floats, relativeError, runModel } from '../testing/run.ts';
import { staticPass } from './pass.ts';

type Options = Partial<Parameters<typeof staticPass.apply>[1]>;

/** Calibrates on rows, runs on the inputs of one call. */
async function quantize(source: Model, rows: Tensors, calls: readonly Tensors[], options: Options = {}) {
  using context = runningContext(datasetOf(source, rows));
  const result = await staticPass.apply(source, { pass: 'quantize.static', ...options }, context);
  let error = 0;
  for (const inputs of calls) {
    const [expected, actual] = [await runModel(source, inputs, context), await runModel(result.model, inputs, context)];
    for (const [name, value] of Object.entries(expected)) error = Math.max(error, relativeError(actual[name], value));
  }
  return { ...result, error };
}

/** The operators of all bodies of a model. */
const inside = ({ graph }: Model): string[] =>
  graph.nodes.flatMap((node) =>
    [...node.attributes.values()].flatMap((attribute) =>
      attribute.kind === 'graph' ? attribute.value.nodes.map(({ op }) => op) : [],
    ),
  );

const which = (value: number) => ({ dtype: 'bool', shape: [1], data: Uint8Array.of(value) }) as const;

describe('bodies of control flow', () => {
  it.each<Options>([{}, { format: 'qoperator' }, { weights: 'uint4' }])('of Loop, with %j', async (options) => {
    const x = floats([8, 4], 5);
    const { model, notes, error } = await quantize(loop(), { x }, [{ x }], options);
    expect(notes[0]).toMatch(/^1 convolution or matrix product/);
    expect(model.graph.initializers.has('W')).toBe(false);
    expect(model.graph.initializers.has('W_quantized')).toBe(true);
    expect(inside(model)).toContain('QuantizeLinear');
    expect(error).toBeLessThan(options.weights === 'uint4' ? 0.3 : 0.05);
  });

  it('of Scan', async () => {
    const x = floats([6, 4], 5);
    const { model, error } = await quantize(scan(), { x }, [{ x }]);
    expect(inside(model)).toContain('QuantizeLinear');
    expect(error).toBeLessThan(0.03);
  });

  it('of If: a branch that no row took stays as it was, and is named', async () => {
    const x = floats([1, 4], 5);
    const { model, notes, error } = await quantize(choice(['batch']), { x, which: which(1) }, [
      { x, which: which(1) },
      { x, which: which(0) },
    ]);
    expect(notes[0]).toMatch(/^3 convolutions and matrix products/);
    expect(notes.join('\n')).toContain(
      'Left in float, because no calibration row reached the body they are in: MatMul node "else_first", MatMul node "else_second".',
    );
    // The weight that the branch left alone still reads stays beside its quantized form.
    expect([...model.graph.initializers.keys()]).toEqual(expect.arrayContaining(['shared', 'shared_quantized']));
    expect(error).toBeLessThan(0.05);
  });

  it('counts them in what it says it could do', () => {
    expect(staticPass.assess(choice())).toMatchObject({ applicable: true, targets: 5 });
  });
});
