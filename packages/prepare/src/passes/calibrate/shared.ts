/**
 * Observations of tensors by what the tensors are computed from, so that whoever asks the same of the same computation, in
 * whatever model it is part of, is told what was found before.
 *
 * That holds only where an observation does not depend on what else is asked or computed. So models are run as they are written
 * (`run` without optimizations: fusing two nodes changes last bits, and is done or not depending on what is observed
 * between them), and in calls of a fixed number of rows.
 */
import { type Model, valueDigests } from '@slipway/onnx';
import type { PassContext } from '../../pass.ts';

/**
 * @param about what is asked; part of what the answers are kept under, and something JSON can say, like the answers
 * @param observe answers for tensors of which nothing is known; those it leaves out were not seen, which is an answer too
 * @returns in the order of `tensors`, without those that were not seen
 */
export async function shared<T>(
  about: unknown,
  model: Model,
  tensors: readonly string[],
  context: PassContext,
  observe: (tensors: readonly string[]) => Promise<ReadonlyMap<string, T>>,
): Promise<ReadonlyMap<string, T>> {
  const digests = valueDigests(model, tensors);
  // What is computed twice alike is observed once.
  const tensorOf = new Map<string, string>([...digests].map(([tensor, digest]) => [digest, tensor]));
  const found = await context.remember<T | null>(about, [...tensorOf.keys()], async (missing) => {
    const names = missing.map((digest) => tensorOf.get(digest) ?? '');
    const answers = await observe(names);
    // As it will be read again: JSON has no negative zero.
    const asKept = (answer: T | undefined): T | null => JSON.parse(JSON.stringify(answer ?? null)) as T | null;
    return new Map(missing.map((digest, i) => [digest, asKept(answers.get(names[i] ?? ''))]));
  });
  return new Map(
    tensors.flatMap((tensor): [string, T][] => {
      const answer = found.get(digests.get(tensor) ?? '') ?? null;
      return answer === null ? [] : [[tensor, answer]];
    }),
  );
}
