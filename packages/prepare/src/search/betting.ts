/**
 * Is the mean over all rows certainly beyond a bound, seen from a random part of them? A test that may be looked at after every
 * row, for sampling without replacement: I. Waudby-Smith, A. Ramdas, "Estimating means of bounded random variables by
 * betting", J. R. Statist. Soc. B 86(1), 2024, §5.
 *
 * Somebody who believes the mean is larger bets on it, row after row, at odds that would be fair if it were at the bound. As rows
 * are not put back, the fair odds move: after t rows with sum S the rest of N would have the mean (N·bound − S)/(N − t). If
 * the mean is at the bound or below it, the capital is a nonnegative supermartingale, and it ever reaches 1/α with
 * probability at most α (Ville). So rejecting at 1/α is wrong with probability at most α, whenever one stops.
 */

/** Bets are kept below this share of what would make ruin possible. */
const CAUTION = 0.5;

export interface MeanTest {
  /** Add the next row's value. */
  add(value: number): void;
  /** True once the mean over all rows is above the bound, but for the error probability. Stays true. */
  readonly isAbove: boolean;
  readonly count: number;
  /** Mean of the rows so far. */
  readonly mean: number;
}

/**
 * Test the hypothesis that the mean of `total` values in [low, high] is at most `bound`.
 * @param alpha probability of calling it above when it is not
 */
export function testMeanAbove(
  total: number,
  bound: number,
  range: readonly [low: number, high: number],
  alpha: number,
): MeanTest {
  const [low, high] = range;
  const unit = (value: number): number => (value - low) / (high - low);
  const hypothesis = unit(bound);
  let count = 0;
  let sum = 0;
  let squares = 0;
  let logCapital = 0;
  let isAbove = false;
  return {
    add(value) {
      const x = unit(value);
      const rest = total - count;
      const fair = (total * hypothesis - sum) / rest;
      if (fair < 0) isAbove = true;
      else if (fair < 1 && !isAbove) {
        // The bet for this row uses only the rows before it: their mean and variance, each with half a pseudo-row.
        const mean = (sum + 0.5) / (count + 1);
        const variance = Math.max(1e-4, (squares + 0.25) / (count + 1) - mean * mean);
        const edge = mean - fair;
        const wish = edge / (variance + edge * edge);
        const bet = Math.max(0, Math.min(wish, CAUTION / Math.max(fair, 1e-9)));
        logCapital += Math.log1p(bet * (x - fair));
        if (logCapital >= -Math.log(alpha)) isAbove = true;
      }
      count++;
      sum += x;
      squares += x * x;
    },
    get isAbove() {
      return isAbove;
    },
    get count() {
      return count;
    },
    get mean() {
      return count === 0 ? bound : low + (high - low) * (sum / count);
    },
  };
}
