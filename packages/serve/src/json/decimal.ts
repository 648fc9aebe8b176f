/**
 * Decimals of 17 to 22 digits to float64, correctly rounded: what Python prints for most floats, and what
 * `mantissa / 10^n` in float64 cannot do because the mantissa does not fit.
 *
 * The mantissa is held as an unevaluated sum of two float64, and the quotient is corrected by its remainder, which
 * Dekker's exact product gives. When the correction is too close to a rounding boundary to be sure (one in ~10^9), the
 * answer is NaN and the caller asks `Number`, which is always right and several times slower.
 */
import { POWERS_OF_TEN } from './numbers.ts';

const SPLITTER = 134217729; // 2^27 + 1

/** The rounding error of the float64 product `product` of `a` and `b` (Dekker 1971). */
function productError(a: number, b: number, product: number): number {
  const ca = SPLITTER * a;
  const ah = ca - (ca - a);
  const al = a - ah;
  const cb = SPLITTER * b;
  const bh = cb - (cb - b);
  const bl = b - bh;
  return ah * bh - product + ah * bl + al * bh + al * bl;
}

/** Heads below this take one digit more and stay exact. */
export const HEAD_LIMIT = 900719925474099;

/**
 * The number whose digits are those of `head` and then `tailDigits` digits of `tail`, the last `decimals` of them after
 * the point; NaN when unsure.
 */
export function longDecimal(head: number, tail: number, tailDigits: number, decimals: number): number {
  if (tailDigits > 6 || decimals > 22) return NaN;
  const scale = POWERS_OF_TEN[tailDigits] as number;
  const shifted = head * scale;
  const numerator = shifted + tail;
  const numeratorError = productError(head, scale, shifted) + (tail - (numerator - shifted));
  const divisor = POWERS_OF_TEN[decimals] as number;
  const quotient = numerator / divisor;
  const product = quotient * divisor;
  const remainder = numerator - product - productError(quotient, divisor, product) + numeratorError;
  const correction = remainder / divisor;
  const low = quotient + correction * (1 - 1e-9);
  return low === quotient + correction * (1 + 1e-9) ? low : NaN;
}
