/** Every verb, in the order of the help. */
import type { Verb } from '../frame/declare.ts';
import { bench } from './bench.ts';
import { build } from './build.ts';
import { bundle } from './bundle.ts';
import { completion } from './completion.ts';
import { diff } from './diff.ts';
import { doctor } from './doctor.ts';
import { init } from './init.ts';
import { inspect } from './inspect.ts';
import { predict } from './predict.ts';
import { releases } from './releases.ts';
import { report } from './report.ts';
import { serve } from './serve.ts';
import { status } from './status.ts';
import { verify } from './verify.ts';

export const verbs: readonly Verb[] = [
  inspect,
  init,
  build,
  releases,
  report,
  diff,
  verify,
  serve,
  predict,
  bench,
  bundle,
  status,
  doctor,
  completion(() => verbs),
];
