/** The transforms of a config: those of the manifest, with files where the config finds them, and what becomes of them. */
import { z } from 'zod';
import type { Transforms } from '../transforms.ts';
import { transformsSchema } from '../transforms/schema.ts';

export const userTransformsSchema = transformsSchema.extend({
  fuse: z
    .boolean()
    .optional()
    .describe(
      'Compute inside the model what ONNX can express: input steps from the last one backwards, output steps from the first one onwards. The rows of `data` are then those that the fused model takes. Default false.',
    ),
});

export interface TransformsConfig {
  /** Paths of files are absolute. */
  readonly declared: Transforms;
  readonly fuse: boolean;
}

export function compileTransforms(
  user: z.infer<typeof userTransformsSchema> | undefined,
  resolve: (relative: string) => string,
): TransformsConfig {
  const inputs = user?.inputs?.map((step) =>
    step.transform === 'tokenize' ? { ...step, tokenizer: resolve(step.tokenizer) } : step,
  );
  return {
    declared: {
      ...(inputs === undefined ? {} : { inputs }),
      ...(user?.outputs === undefined ? {} : { outputs: user.outputs }),
    },
    fuse: user?.fuse ?? false,
  };
}
