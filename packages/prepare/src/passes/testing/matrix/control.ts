/** Pieces with bodies, which hold weights of their own and read values from outside. */
import { type Builder, buildGraph, graphAttribute } from '@slipway/onnx';
import { elements, type Piece, Scope } from './scope.ts';

/** A body made like the graph around it; names in it are its own. */
function body(outer: Scope, make: (inner: Scope, b: Builder) => void) {
  const label = outer.name('body');
  return buildGraph((b) => {
    make(new Scope(b, outer.opset, outer.rows, outer.below(1 << 30), `${label}_`), b);
  }, label);
}

const branches: Piece = {
  ops: ['If', 'Greater', 'MatMul', 'Relu'],
  rank: 3,
  steps: true,
  make(s, x) {
    const shared = s.kernel([12, 12], 12);
    // A value that only bodies read.
    const captured = s.op('Mul', [x, s.scalar(0.5)]);
    const branch = (op: string) =>
      body(s, (inner, b) => {
        const product = inner.op('MatMul', [captured, op === 'Relu' ? shared : inner.kernel([12, 12], 12)]);
        b.output(inner.op(op, [inner.op('Add', [product, inner.weights([12])])]), 'float32', null);
      });
    const first = s.op('Gather', [s.op('Reshape', [x, s.longs(-1)]), s.long(0)]);
    const condition = s.op('Greater', [first, s.scalar(0)]);
    const graphs = {
      then_branch: graphAttribute('then_branch', branch('Relu')),
      else_branch: graphAttribute('else_branch', branch('Tanh')),
    };
    return s.op('If', [condition], graphs);
  },
};

/** The condition is a constant: one branch never runs. */
const decided: Piece = {
  ops: ['If', 'Neg', 'Sigmoid'],
  rank: 2,
  make(s, x) {
    const condition = s.constant({ dtype: 'bool', shape: [], data: Uint8Array.of(s.below(2)) });
    const branch = (op: string) => body(s, (inner, b) => b.output(inner.op(op, [x]), 'float32', null));
    const graphs = {
      then_branch: graphAttribute('then_branch', branch('Neg')),
      else_branch: graphAttribute('else_branch', branch('Sigmoid')),
    };
    return s.op('If', [condition], graphs);
  },
};

const loop: Piece = {
  ops: ['Loop', 'MatMul', 'Tanh', 'Identity', 'Less'],
  rank: 3,
  make(s, x) {
    const weight = s.kernel([12, 12], 12);
    const graph = body(s, (inner, b) => {
      const round = b.input(inner.name('round'), 'int64', []);
      b.input(inner.name('more'), 'bool', []);
      const state = b.input(inner.name('state'), 'float32', null);
      const next = inner.op('Tanh', [inner.op('Add', [inner.op('MatMul', [state, weight]), x])]);
      b.output(inner.op('Less', [round, inner.long(4)]), 'bool', []);
      b.output(next, 'float32', null);
      b.output(inner.op('Identity', [next]), 'float32', null);
    });
    const yes = s.constant({ dtype: 'bool', shape: [], data: Uint8Array.of(1) });
    const [last = '', all = ''] = s.several('Loop', [s.long(3), yes, x], 2, { body: graphAttribute('body', graph) });
    return s.op('Add', [last, s.op('Gather', [all, s.long(0)])]);
  },
};

const scan: Piece = {
  ops: ['Scan', 'MatMul', 'Add', 'Transpose'],
  rank: 3,
  make(s, x) {
    const graph = body(s, (inner, b) => {
      const state = b.input(inner.name('state'), 'float32', [s.rows, 12]);
      const row = b.input(inner.name('row'), 'float32', [s.rows, 12]);
      const product = inner.op('MatMul', [row, inner.kernel([12, 12], 12)]);
      const next = inner.op('Add', [inner.op('Sigmoid', [state]), product]);
      b.output(next, 'float32', null);
      b.output(inner.op('Identity', [next]), 'float32', null);
    });
    const data = new Float32Array(elements([s.rows, 12]));
    const zeros = s.constant({ dtype: 'float32', shape: [s.rows, 12], data });
    const steps = s.op('Transpose', [x], { perm: [1, 0, 2] });
    const [, all = ''] = s.several('Scan', [zeros, steps], 2, {
      body: graphAttribute('body', graph),
      num_scan_inputs: 1,
    });
    return s.op('Transpose', [all], { perm: [1, 0, 2] });
  },
};

export const control: readonly Piece[] = [branches, decided, loop, scan];
