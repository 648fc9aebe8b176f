/**
 * The Wilson score interval of a share: unlike the textbook interval it stays inside [0, 1] and is honest near both
 * ends, where accurate models live (98.9 % of 9,000 rows).
 */
import { fail, type Proportion } from '@slipway/core';

/** Two-sided standard normal quantile for 95 %. */
const Z95 = 1.959963984540054;

/** E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927). */
export function wilson(correct: number, total: number): Proportion {
  if (total <= 0 || correct < 0 || correct > total) {
    throw fail('INTERNAL', { problem: `a share of ${correct} in ${total} rows` });
  }
  const share = correct / total;
  const z2 = Z95 * Z95;
  const denominator = 1 + z2 / total;
  const centre = (share + z2 / (2 * total)) / denominator;
  const half = (Z95 / denominator) * Math.sqrt((share * (1 - share)) / total + z2 / (4 * total * total));
  return {
    value: share,
    low: correct === 0 ? 0 : Math.max(0, centre - half),
    high: correct === total ? 1 : Math.min(1, centre + half),
    confidence: 0.95,
    correct,
    total,
  };
}
