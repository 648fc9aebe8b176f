/** Every verb, in the order of the help. */
import type { Verb } from '../frame/declare.ts';
import { bench } from './bench.ts';
import { bundle } from './bundle.ts';
import { completion } from './completion.ts';
import { doctor } from './doctor.ts';
import { predict } from './predict.ts';
import { releases } from './releases.ts';

export const verbs: readonly Verb[] = [releases, predict, bench, bundle, doctor, completion];
