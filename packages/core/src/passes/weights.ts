/** Options of the pass that stores weights in few bits and computes in float. */
import { z } from 'zod';
import { exclude, only, selectorSchema } from './exclude.ts';

const bits = z.union([z.literal(2), z.literal(4), z.literal(8)]);
const blockSize = z.union([
  z.literal(16),
  z.literal(32),
  z.literal(64),
  z.literal(128),
  z.literal(256),
  z.literal('column'),
]);
const algorithm = z.enum(['rtn', 'k-quant', 'hqq', 'gptq', 'awq']);

const layer = z.strictObject({
  match: selectorSchema,
  bits: bits.optional(),
  blockSize: blockSize.optional(),
  symmetric: z.boolean().optional(),
  algorithm: algorithm.optional(),
});

export const weightsSchema = z
  .strictObject({
    pass: z.literal('quantize.weights'),
    bits: bits.optional().describe('Bits per weight. Default 4.'),
    blockSize: blockSize
      .optional()
      .describe('How many weights of a column share a scale: 16 to 256, or `column`. Default 64.'),
    symmetric: z.boolean().optional().describe('No zero points: zero is the middle code. Default false.'),
    format: z
      .enum(['matmulnbits', 'dequantize'])
      .optional()
      .describe(
        '`matmulnbits`: operators of ONNX Runtime (default). `dequantize`: standard operators, which ONNX Runtime fuses to the same.',
      ),
    algorithm: algorithm
      .optional()
      .describe('How codes are chosen. `gptq` and `awq` need calibration rows. Default `rtn`.'),
    accuracyLevel: z
      .union([z.literal(0), z.literal(1), z.literal(2), z.literal(3), z.literal(4), z.literal('search')])
      .optional()
      .describe(
        'Format `matmulnbits`: what the kernel computes in. 4: 8-bit integers (default), 0: float; `search`: 4 unless answers on calibration rows suffer.',
      ),
    embeddings: z
      .union([z.literal(false), bits])
      .optional()
      .describe('Bits per weight of embedding tables, or `false` to leave them. Default: as `bits`.'),
    damping: z
      .number()
      .positive()
      .max(1)
      .optional()
      .describe('`gptq`: what is added to the diagonal of the Hessian, as a share of its mean. Default 0.01.'),
    actOrder: z
      .boolean()
      .optional()
      .describe('`gptq`: quantize the inputs with the largest activations first. Default true.'),
    layers: z
      .array(layer)
      .optional()
      .describe('Other options for some layers; the first entry that matches a layer counts.'),
    exclude,
    only,
  })
  .refine(
    ({ format, blockSize: size, layers }) =>
      format === 'dequantize' || (size !== 'column' && !(layers ?? []).some((each) => each.blockSize === 'column')),
    { path: ['blockSize'], error: 'can be "column" only in the format "dequantize"' },
  )
  .refine(({ format, accuracyLevel }) => format !== 'dequantize' || accuracyLevel === undefined, {
    path: ['accuracyLevel'],
    error: 'belongs to the format "matmulnbits"; in standard operators there is no place for it',
  });
