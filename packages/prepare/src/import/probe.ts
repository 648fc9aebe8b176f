/** Does the imported model compute what the file computes? Both are run on the same made-up rows, and their answers compared. */
import { fail, fixedBatch, hasCode, type Signature, type Tensor, type Tensors } from '@slipway/core';
import { compareTensors, type Runner } from '@slipway/runtime';
import type { BuildContext } from '../pipeline/context.ts';
import { openRunners } from '../pipeline/runners.ts';
import { callSize, type Chunk, chunksOf, runChunk } from '../validate/calls.ts';
import { generateRows } from '../validate/generated.ts';
import { largest } from '../validate/golden.ts';

/** Rows on which the imported model must compute what the file computes. */
const PROBE_ROWS = 4;
const PROBE_TOLERANCE = { absolute: 1e-4, relative: 1e-4 };

/**
 * The signature, after seeing that the imported model answers as the file does.
 * @param imported null when import changed nothing: then the engine only has to load the file
 * @throws MODEL_INVALID
 */
export async function probe(
  file: string,
  imported: string | null,
  { config, session, log, signal }: BuildContext,
): Promise<Signature> {
  await using runners = openRunners(session, log, signal);
  const before = await runners.get(config.name, file);
  if (imported === null) return before.signature;
  const after = await runners.get(`${config.name} imported`, imported);
  const { signature } = after;
  const rows = generateRows(signature, PROBE_ROWS * (fixedBatch(signature) ?? 1), config.seed);
  for (const chunk of chunksOf(rows, callSize(signature, rows))) {
    const [expected, actual] = await Promise.all([attempt(before, chunk), attempt(after, chunk)]);
    // Made-up inputs may be refused by the model itself: then both refuse them, and nothing is learned.
    if (expected === null || actual === null) continue;
    for (const [i, outputs] of expected.entries()) {
      for (const [name, value] of Object.entries(outputs)) {
        const other = actual[i]?.[name];
        const difference = other === undefined ? null : compareTensors(other, value, toleranceFor(value));
        if (difference === null) continue;
        const problem = `after import its ${difference.problem}; this is a defect of Slipway, please report it`;
        throw fail('MODEL_INVALID', { path: file, where: `output "${name}"`, problem });
      }
    }
  }
  return signature;
}

async function attempt(runner: Runner, chunk: Chunk): Promise<Tensors[] | null> {
  try {
    return await runChunk(runner, chunk);
  } catch (error) {
    if (hasCode(error, 'INFERENCE_FAILED')) return null;
    throw error;
  }
}

/** Sums in another order differ by the size of what is summed, which the largest output stands for. */
function toleranceFor(value: Tensor): typeof PROBE_TOLERANCE {
  return { ...PROBE_TOLERANCE, absolute: PROBE_TOLERANCE.absolute * Math.max(1e-6, largest(value)) };
}
