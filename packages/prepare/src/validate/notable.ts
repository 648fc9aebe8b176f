/** When outputs differ so much that somebody should look: far beyond what rounding to 8 bits costs a healthy model (30 to 45 dB). */
import type { Parity } from '@slipway/core';

/** Noise of a tenth of the power of the signal, a third of its amplitude. */
export const NOTABLE_DB = 10;
const NOTABLE_AGREEMENT = 0.9;

export function isNotable({ sqnrDb, argmaxAgreement }: Parity): boolean {
  return (sqnrDb !== null && sqnrDb < NOTABLE_DB) || (argmaxAgreement !== null && argmaxAgreement < NOTABLE_AGREEMENT);
}
