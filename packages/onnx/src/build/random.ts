/**
 * Random weights for models of any size: a hundred million normal numbers in about a second, the same for the same seed.
 *
 * One 32-bit number of the generator gives one weight: the upper bits choose a step of the inverse distribution function,
 * the lower ones the place in it. Within a step the distribution is flat, which at 4096 steps no statistic of weights
 * notices, and all 32 bits count, so that weights compress as badly as trained ones do.
 */
const STEP_BITS = 12;
const STEPS = 2 ** STEP_BITS;
const REST = 2 ** (32 - STEP_BITS);
/** No number is further out, in deviations. */
const FARTHEST = 4.5;

/** Standard normal quantiles at i / STEPS, by integrating the density; the ends are `FARTHEST`. */
function quantiles(): Float64Array {
  const cells = STEPS * 16;
  const width = (2 * FARTHEST) / cells;
  const table = new Float64Array(STEPS + 1);
  table[0] = -FARTHEST;
  let next = 1;
  let below = 0;
  for (let cell = 0; cell < cells && next < STEPS; cell++) {
    const left = -FARTHEST + cell * width;
    const mass = (Math.exp(-((left + width / 2) ** 2) / 2) / Math.sqrt(2 * Math.PI)) * width;
    while (next < STEPS && below + mass >= next / STEPS) {
      table[next] = left + (width * (next / STEPS - below)) / mass;
      next += 1;
    }
    below += mass;
  }
  return table.fill(FARTHEST, next);
}

/** Fills arrays, one after the other, with normal numbers of the given mean and deviation. */
export function normalFiller(seed: number): (values: Float32Array, deviation: number, mean?: number) => Float32Array {
  const table = quantiles();
  let state = seed >>> 0;
  return (values, deviation, mean = 0) => {
    for (let index = 0; index < values.length; index++) {
      // mulberry32
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      const drawn = (mixed ^ (mixed >>> 14)) >>> 0;
      const step = drawn >>> (32 - STEP_BITS);
      const low = table[step] ?? 0;
      const high = table[step + 1] ?? 0;
      values[index] = mean + deviation * (low + ((high - low) * (drawn % REST)) / REST);
    }
    return values;
  };
}
