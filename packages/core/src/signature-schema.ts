/** What a signature looks like in a manifest. */
import { z } from 'zod';
import { DTYPES } from './dtype.ts';
import type { Signature, TensorSpec } from './signature.ts';

const tensorSpecSchema: z.ZodType<TensorSpec> = z.strictObject({
  name: z.string().min(1),
  dtype: z.enum(DTYPES),
  shape: z.array(z.union([z.int().min(0), z.string().min(1)])).nullable(),
});

export const signatureSchema: z.ZodType<Signature> = z.strictObject({
  inputs: z.array(tensorSpecSchema),
  outputs: z.array(tensorSpecSchema),
});
