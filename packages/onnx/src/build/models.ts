/** Models that tests and benches of every room measure with. The same arguments give the same bytes. */
import type { Model } from '../ir/model.ts';
import { buildModel } from './builder.ts';

/** y = 2·x on float32[batch, 1]: what remains when the model costs nothing. */
export function oneWeightModel(): Model {
  return buildModel(
    (b) => {
      const x = b.input('x', 'float32', ['batch', 1]);
      b.op('MatMul', [x, b.floats('w', [1, 1], [2])], { outputs: ['y'] });
      b.output('y', 'float32', ['batch', 1]);
    },
    { name: 'one-weight' },
  );
}

export interface MlpOptions {
  /** Sizes from input to output. Default 784-512-256-10. */
  readonly layers?: readonly number[];
  readonly seed?: number;
}

/** Fully connected layers with Relu between, softmax-free; weights normal with He's deviation. */
export function mlpModel(options: MlpOptions = {}): Model {
  const layers = options.layers ?? [784, 512, 256, 10];
  const normal = normalNumbers(options.seed ?? 1);
  return buildModel(
    (b) => {
      const last = layers.length - 2;
      let value = b.input('x', 'float32', ['batch', layers[0] ?? 1]);
      for (let index = 0; index <= last; index++) {
        const from = layers[index] ?? 1;
        const to = layers[index + 1] ?? 1;
        const deviation = Math.sqrt(2 / from);
        const weight = b.floats(
          `w${index}`,
          [from, to],
          Float32Array.from({ length: from * to }, () => normal() * deviation),
        );
        const bias = b.floats(
          `b${index}`,
          [to],
          Float32Array.from({ length: to }, () => normal() * 0.1),
        );
        value = b.op('Gemm', [value, weight, bias], {
          name: `layer${index}`,
          outputs: [index === last ? 'y' : `h${index}`],
        });
        if (index < last) value = b.op('Relu', [value], { name: `relu${index}`, outputs: [`a${index}`] });
      }
      b.output('y', 'float32', ['batch', layers.at(-1) ?? 1]);
    },
    { name: 'mlp' },
  );
}

/** Standard normal numbers by Box and Muller over the generator mulberry32. */
function normalNumbers(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
