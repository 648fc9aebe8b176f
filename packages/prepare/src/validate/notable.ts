/** When outputs differ so much that somebody should look: far beyond what rounding to 8 bits costs a healthy model (30 to 45 dB). */
import type { Parity } from '@slipway/core';

/** Noise of a tenth of the power of the signal, a third of its amplitude. */
export const NOTABLE_DB = 10;
const NOTABLE_AGREEMENT = 0.9;

export function isNotable({ sqnrDb, argmaxAgreement, rows }: Parity): boolean {
  if (sqnrDb !== null && sqnrDb < NOTABLE_DB) return true;
  if (argmaxAgreement === null) return false;
  // One row whose two largest outputs are close is no sign of anything.
  return argmaxAgreement < NOTABLE_AGREEMENT && Math.round((1 - argmaxAgreement) * rows) > 1;
}
