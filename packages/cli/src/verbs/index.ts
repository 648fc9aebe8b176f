/** Every verb, in the order of the help. */
import type { Verb } from '../frame/declare.ts';
import { completion } from './completion.ts';

export const verbs: readonly Verb[] = [completion];
