/**
 * How a pass is told what to change and what to leave alone: `exclude`, or the opposite, `only`. Plain data in every form,
 * so that the lineage can record it; `prepare` gives it its meaning.
 *
 * A regular expression is an object and not a string between slashes, because exporters name nodes like paths:
 * `/encoder/` could be either.
 */
import { z } from 'zod';

const names = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

export const selectorSchema = z.union([
  z.string().min(1).describe('The name of a node or of an initializer; `*` stands for any run of characters.'),
  z.strictObject({
    regex: z
      .string()
      .min(1)
      .describe('A regular expression found anywhere in the name; `^` and `$` tie it to the ends.'),
  }),
  z.strictObject({ op: z.string().min(1).describe('Every node of this operator, like `Softmax`.') }),
  z
    .strictObject({
      from: names.optional().describe('Nodes or tensors where the region begins. Left out: at the inputs.'),
      to: names.optional().describe('Nodes or tensors where it ends. Left out: at the outputs.'),
    })
    .refine(({ from, to }) => from !== undefined || to !== undefined, 'a region needs `from`, `to` or both'),
]);

/** One entry of `exclude` or `only`. */
export type Selector = z.infer<typeof selectorSchema>;

/** Nodes or weights a pass leaves alone. An entry that matches nothing is an error. */
export const exclude = z
  .array(selectorSchema)
  .optional()
  .describe(
    'Nodes and weights to leave as they are: names with `*`, `{ regex }`, `{ op }`, or a region `{ from, to }`. See docs/guides/passes.md.',
  );

/** The opposite: the pass leaves everything else alone. */
export const only = z
  .array(selectorSchema)
  .min(1)
  .optional()
  .describe('The only nodes and weights to change, selected like `exclude`, which is applied after it.');

/** The part of a pass's options that says where it applies. */
export interface Selection {
  readonly exclude?: readonly Selector[] | undefined;
  readonly only?: readonly Selector[] | undefined;
}
