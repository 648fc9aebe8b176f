/** Every verb, in the order of the help. */
import type { Verb } from '../frame/declare.ts';
import { bench } from './bench.ts';
import { build } from './build.ts';
import { bundle } from './bundle.ts';
import { completion } from './completion.ts';
import { doctor } from './doctor.ts';
import { predict } from './predict.ts';
import { releases } from './releases.ts';
import { report } from './report.ts';

export const verbs: readonly Verb[] = [
  build,
  releases,
  report,
  predict,
  bench,
  bundle,
  doctor,
  completion(() => verbs),
];
