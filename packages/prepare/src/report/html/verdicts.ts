/** The colour of a verdict, as the style variable every chart and chip uses. */
import type { Verdict } from '@slipway/core';

export const COLOR: Readonly<Record<Verdict, string>> = {
  winner: '--good',
  passed: '--plain',
  refused: '--warn',
  failed: '--bad',
  error: '--warn',
};
