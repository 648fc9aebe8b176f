/** All passes, one for every name a recipe can use. */
import { fail, type PassName } from '@slipway/core';
import type { Pass, PassRegistry } from '../pass.ts';
import { dynamicPass } from './dynamic/pass.ts';
import { magnitudePass } from './magnitude.ts';

const later = (name: PassName): Pass => ({
  name,
  version: 1,
  assess: () => ({ applicable: false, targets: 0, summary: 'not available in this version' }),
  apply: () => Promise.reject(fail('PASS_NOT_APPLICABLE', { pass: name, problem: 'not available in this version' })),
});

export const PASSES: PassRegistry = {
  'prune.magnitude': magnitudePass,
  'quantize.dynamic': dynamicPass,
  'quantize.static': later('quantize.static') as PassRegistry['quantize.static'],
  optimize: later('optimize') as PassRegistry['optimize'],
  'batch.dynamic': later('batch.dynamic') as PassRegistry['batch.dynamic'],
};
