/** All passes, one for every name a recipe can use. */
import type { PassRegistry } from '../pass.ts';
import { batchPass } from './batch/pass.ts';
import { dynamicPass } from './dynamic/pass.ts';
import { equalisePass } from './equalise/pass.ts';
import { fusePass } from './fuse.ts';
import { bfloat16Pass } from './float16/bfloat16.ts';
import { float16Pass } from './float16/pass.ts';
import { magnitudePass } from './magnitude/pass.ts';
import { mixedPass } from './mixed/pass.ts';
import { optimizePass } from './optimize.ts';
import { simplifyPass } from './simplify.ts';
import { smoothPass } from './smooth/pass.ts';
import { staticPass } from './static/pass.ts';
import { weightsPass } from './weight-only/pass.ts';

export const PASSES: PassRegistry = {
  'prune.magnitude': magnitudePass,
  'quantize.dynamic': dynamicPass,
  'quantize.static': staticPass,
  'quantize.weights': weightsPass,
  'quantize.smooth': smoothPass,
  'quantize.equalise': equalisePass,
  optimize: optimizePass,
  'batch.dynamic': batchPass,
  simplify: simplifyPass,
  fuse: fusePass,
  'precision.float16': float16Pass,
  'precision.bfloat16': bfloat16Pass,
  'precision.mixed': mixedPass,
};
