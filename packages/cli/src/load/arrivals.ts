/**
 * When requests of an open loop are due. An open loop does not wait for answers before sending the next request, as
 * users do not; a slow server then shows as latency instead of as a lower rate (coordinated omission).
 */
import { randomStream } from '@slipway/core';

export const ARRIVALS = ['poisson', 'uniform'] as const;
export type Arrival = (typeof ARRIVALS)[number];

/** Milliseconds between one request and the next, forever. The same seed gives the same gaps. */
export function* gaps(rate: number, arrival: Arrival, seed = 1): Generator<number, never, undefined> {
  const mean = 1000 / rate;
  const random = randomStream(seed);
  // Exponential gaps make a Poisson process: -ln(U) · mean, U in (0, 1].
  while (true) yield arrival === 'uniform' ? mean : -Math.log(1 - random()) * mean;
}
