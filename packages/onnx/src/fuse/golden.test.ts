/** Every fusion, alone, on the cases in `golden/NAME.txt`. */
import { join } from 'node:path';
import { goldenTests } from '../simplify/testing/golden.ts';
import { fuse, FUSION_TABLE } from './fuse.ts';

const names = FUSION_TABLE.map(({ name }) => name);

goldenTests(join(import.meta.dirname, 'golden'), names, (name, model) => {
  const skip = names.filter((other) => other !== name);
  return fuse(model, { skip }).model;
});
