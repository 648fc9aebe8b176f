/** Every rewrite, alone, on the cases in `golden/NAME.txt`. */
import { join } from 'node:path';
import { REWRITE_TABLE, simplify } from './simplify.ts';
import { goldenTests } from './testing/golden.ts';

const names = REWRITE_TABLE.map(({ name }) => name);

goldenTests(join(import.meta.dirname, 'golden'), names, (name, model) => {
  const skip = names.filter((other) => other !== name);
  return simplify(model, { skip, maxFoldedBytes: 64 }).model;
});
