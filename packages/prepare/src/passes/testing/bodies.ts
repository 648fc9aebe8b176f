/** Models with bodies of If, Loop and Scan that hold matrix products, for tests of the passes that look into bodies. */
import { type Builder, buildGraph, buildModel, graphAttribute, intAttribute, type Model } from '@slipway/onnx';
import { uniform } from './run.ts';

const matrix = (b: Builder, name: string, seed: number): string =>
  b.floats(
    name,
    [4, 4],
    uniform(16, seed).map((value) => value / 2),
  );

/** A choice of two branches by an input of shape `which` and one element: each with a weight named "inner" of its own, both with "shared" from outside. */
export const choice = (which: readonly string[] = []): Model =>
  buildModel(
    (b) => {
      const x = b.input('x', 'float32', ['batch', 4]);
      const shared = matrix(b, 'shared', 1);
      const branch = (name: string, seed: number) =>
        buildGraph((inner) => {
          const hidden = inner.op('MatMul', [x, shared], { name: `${name}_first`, outputs: [`${name}_hidden`] });
          const made = inner.op('MatMul', [hidden, matrix(inner, `${name}_inner`, seed)], {
            name: `${name}_second`,
            outputs: [`${name}_out`],
          });
          inner.output(made, 'float32', null);
        }, name);
      const attributes = [
        graphAttribute('then_branch', branch('then', 2)),
        graphAttribute('else_branch', branch('else', 3)),
      ];
      b.op('If', [b.input('which', 'bool', which)], { name: 'choice', attributes, outputs: ['y'] });
      b.output('y', 'float32', null);
      b.output(b.op('MatMul', [x, shared], { name: 'main', outputs: ['z'] }), 'float32', null);
    },
    { opset: 13 },
  );

/** state ← state · W, three times; the product of each round is an output too. */
export const loop = (): Model =>
  buildModel(
    (b) => {
      const x = b.input('x', 'float32', ['batch', 4]);
      const weight = matrix(b, 'W', 1);
      const body = buildGraph((inner) => {
        inner.input('round', 'int64', []);
        const more = inner.input('more', 'bool', []);
        const state = inner.input('state', 'float32', null);
        const next = inner.op('MatMul', [state, weight], { name: 'step', outputs: ['next'] });
        inner.output(inner.op('Identity', [more], { outputs: ['more_out'] }), 'bool', []);
        inner.output(next, 'float32', null);
        inner.output(inner.op('Identity', [next], { outputs: ['each'] }), 'float32', null);
      }, 'body');
      const count = b.constant('count', { dtype: 'int64', shape: [], data: BigInt64Array.of(3n) });
      b.op('Loop', [count, '', x], {
        name: 'loop',
        attributes: [graphAttribute('body', body)],
        outputs: ['last', 'all'],
      });
      b.output('last', 'float32', null);
      b.output('all', 'float32', null);
    },
    { opset: 13 },
  );

export const scan = (): Model =>
  buildModel(
    (b) => {
      const x = b.input('x', 'float32', ['steps', 4]);
      const body = buildGraph((inner) => {
        const row = inner.input('row', 'float32', [4]);
        const two = inner.op('Unsqueeze', [row, inner.integers('axes', [1], [0])]);
        const kernel = inner.op('Transpose', [matrix(inner, 'V', 4)]);
        inner.output(inner.op('MatMul', [two, kernel], { name: 'project' }), 'float32', null);
      }, 'body');
      const attributes = [graphAttribute('body', body), intAttribute('num_scan_inputs', 1)];
      b.output(b.op('Scan', [x], { name: 'scan', attributes, outputs: ['y'] }), 'float32', null);
    },
    { opset: 13 },
  );
