/**
 * A model that is asked the same again and again, as the source is by every trial and every probe: it answers each call once,
 * as long as what it answered fits a fixed number of bytes. After that it computes again, so memory is bounded whatever the
 * outputs are. Only `run` is answered from memory: what is timed is run.
 */
import { bytesOf, digestOf, digestOfJson, type Tensors } from '@slipway/core';
import type { Runner } from '@slipway/runtime';

/** For all models of a bench together. */
const KEPT_BYTES = 256 * 2 ** 20;

export interface Answers {
  /** The same runner, whose answers are kept. One per runner. */
  of(runner: Runner): Runner;
}

export function keepAnswers(most: number = KEPT_BYTES): Answers {
  let bytes = 0;
  const wrapped = new Map<Runner, Runner>();
  const wrap = (runner: Runner): Runner => {
    const known = new Map<string, Tensors>();
    return {
      ...runner,
      async run(inputs) {
        const key = keyOf(inputs);
        const found = known.get(key);
        if (found !== undefined) return found;
        const outputs = await runner.run(inputs);
        const size = sizeOf(outputs);
        if (!known.has(key) && bytes + size <= most) {
          bytes += size;
          known.set(key, outputs);
        }
        return outputs;
      },
    };
  };
  return {
    of(runner) {
      const known = wrapped.get(runner) ?? wrap(runner);
      wrapped.set(runner, known);
      return known;
    },
  };
}

function keyOf(inputs: Tensors): string {
  return digestOfJson(
    Object.entries(inputs).map(([name, value]) => {
      const { dtype, shape } = value;
      return [name, dtype, shape, dtype === 'string' ? digestOfJson(value.data) : digestOf(bytesOf(value.data))];
    }),
  );
}

/** Strings by their characters, which is near enough. */
const sizeOf = (outputs: Tensors): number =>
  Object.values(outputs).reduce(
    (sum, { data }) =>
      sum + ('byteLength' in data ? data.byteLength : data.reduce((total, text) => total + 2 * text.length + 16, 0)),
    0,
  );
