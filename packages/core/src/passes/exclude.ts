/** How a pass is told what to leave alone. */
import { z } from 'zod';

/** Nodes or tensors a pass leaves alone. A pattern that matches nothing is an error. */
export const exclude = z
  .array(z.string().min(1))
  .optional()
  .describe('Names of nodes or initializers to leave as they are; `*` matches any run of characters.');
