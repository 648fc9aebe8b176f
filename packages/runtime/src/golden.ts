/**
 * Golden samples: input/output pairs a release carries and must reproduce wherever it is loaded. What they guard against is a
 * changed file, another engine version or another CPU computing something else than what was validated.
 */
import path from 'node:path';
import { fail, type Golden, readNpz, type Tensor, type Tensors, type TensorSpec } from '@slipway/core';
import { compareTensors } from './compare.ts';
import type { Runner } from './runner.ts';

/** One call and what it gave when the release was built. */
interface GoldenCall {
  /** The index of the sample; null when all samples are rows of one call. */
  readonly sample: number | null;
  readonly inputs: Tensors;
  readonly outputs: Tensors;
}

/** The arrays of the golden file. @throws DATA_FORMAT, FILE_NOT_FOUND */
export function readGolden(directory: string, golden: Golden): ReadonlyMap<string, Tensor> {
  return readNpz(path.join(directory, golden.file), golden.file);
}

/** The calls to make, from arrays named as `Golden` in core describes. */
function goldenCalls(
  { signature }: Pick<Runner, 'signature'>,
  arrays: ReadonlyMap<string, Tensor>,
  golden: Golden,
  model: string,
): GoldenCall[] {
  const take = (kind: 'input' | 'output', specs: readonly TensorSpec[], sample: number | null): Tensors => {
    const named = specs.map(({ name }): readonly [string, Tensor] => {
      const array = arrays.get(sample === null ? `${kind}/${name}` : `${kind}/${name}/${sample}`);
      const broken = (problem: string) =>
        fail('GOLDEN_MISMATCH', { model, sample: sample ?? 0, output: name, problem });
      if (array === undefined) throw broken(`${golden.file} holds no ${kind} of that name`);
      if (sample === null && array.shape[0] !== golden.count) {
        throw broken(`${golden.file} holds ${array.shape[0] ?? 0} rows, the manifest says ${golden.count}`);
      }
      return [name, array];
    });
    return Object.fromEntries(named);
  };
  const call = (sample: number | null): GoldenCall => ({
    sample,
    inputs: take('input', signature.inputs, sample),
    outputs: take('output', signature.outputs, sample),
  });
  const inRows = signature.outputs.every(({ name }) => arrays.has(`output/${name}`));
  return inRows ? [call(null)] : Array.from({ length: golden.count }, (_, sample) => call(sample));
}

/**
 * Run the golden samples and compare.
 * @throws GOLDEN_MISMATCH naming the first sample and output that differs, and by how much
 */
export async function checkGolden(
  runner: Pick<Runner, 'run' | 'signature'>,
  arrays: ReadonlyMap<string, Tensor>,
  golden: Golden,
  model: string,
): Promise<void> {
  for (const { sample, inputs, outputs } of goldenCalls(runner, arrays, golden, model)) {
    const actual = await runner.run(inputs);
    for (const [output, expected] of Object.entries(outputs)) {
      const got = actual[output];
      const difference = got === undefined ? null : compareTensors(got, expected, golden.tolerance);
      if (difference === null) continue;
      throw fail('GOLDEN_MISMATCH', { model, sample: sample ?? difference.row, output, problem: difference.problem });
    }
  }
}
