/** The closed schema of every pass: its name and its options. The words that write them are in `passes.ts`. */
import { z } from 'zod';
import { batchSchema, fuseSchema, optimizeSchema, simplifySchema } from './graph.ts';
import { bfloat16Schema, float16Schema, mixedSchema } from './precision.ts';
import { magnitudeSchema } from './prune.ts';
import { dynamicSchema, staticSchema } from './quantize.ts';
import { weightsSchema } from './weights.ts';
import { equaliseSchema } from './equalise.ts';
import { smoothSchema } from './smooth.ts';

export const passSchema = z.discriminatedUnion('pass', [
  magnitudeSchema,
  dynamicSchema,
  staticSchema,
  weightsSchema,
  smoothSchema,
  equaliseSchema,
  optimizeSchema,
  batchSchema,
  simplifySchema,
  fuseSchema,
  float16Schema,
  bfloat16Schema,
  mixedSchema,
]);
