/** The closed schema of `slipway.json`. */
import { z } from 'zod';
import { type Digest, isDigest } from './digest.ts';
import {
  FILE_ROLES,
  isModelName,
  isSafeRelativePath,
  type Manifest,
  MANIFEST_SCHEMA,
  type ServingHints,
} from './manifest.ts';
import { signatureSchema } from './signature-schema.ts';
import { transformsSchema } from './transforms/schema.ts';

const digestSchema = z.custom<Digest>(isDigest, 'must be sha256: and 64 hexadecimal digits');
const pathSchema = z
  .string()
  .max(1024)
  .refine((path) => isSafeRelativePath(path), 'must be a relative path inside the model, without "." or ".." segments');
const positive = z.number().positive();

export const servingHintsSchema: z.ZodType<ServingHints> = z.strictObject({
  maxBatchSize: z.int().positive().optional(),
  latencyBudgetMs: z.number().min(0).optional(),
  maxQueueRows: z.int().positive().optional(),
  threads: z.int().positive().optional(),
});

export const manifestSchema: z.ZodType<Manifest> = z.strictObject({
  schema: z.literal(MANIFEST_SCHEMA),
  name: z.string().refine(isModelName, 'must be lower-case letters, digits and . _ - between them'),
  engine: z.literal('onnxruntime'),
  entry: pathSchema,
  files: z
    .array(z.strictObject({ path: pathSchema, role: z.enum(FILE_ROLES), digest: digestSchema, size: z.int().min(0) }))
    .max(100_000),
  signature: signatureSchema,
  golden: z
    .strictObject({
      file: pathSchema,
      count: z.int().min(1),
      tolerance: z.strictObject({ absolute: z.number().min(0), relative: z.number().min(0) }),
    })
    .optional(),
  labels: z.array(z.string()).optional(),
  transforms: transformsSchema.optional(),
  serving: servingHintsSchema.optional(),
  requires: z.strictObject({ engine: z.string(), cpuFlags: z.array(z.string()).nullable() }).optional(),
  lineage: z.strictObject({
    source: z.strictObject({ file: z.string(), digest: digestSchema }),
    data: z.strictObject({ calibration: digestSchema.optional(), evaluation: digestSchema.optional() }),
    recipe: digestSchema.optional(),
    steps: z.array(
      z.strictObject({
        pass: z.string(),
        version: positive,
        options: z.record(z.string(), z.unknown()),
        result: digestSchema,
      }),
    ),
    tools: z.record(z.string(), z.string()),
    cpuFlags: z.array(z.string().max(64)).max(256).optional(),
  }),
});
