/**
 * Functions whose last bit differs between libraries, computed in double precision and rounded once: at most a unit in the
 * last place from what any engine gives. Apart from the exact operators, so that exact results remain possible.
 */
import { operator, type Operators } from './operator.ts';
import { binary, unary } from './arithmetic.ts';

const RADIUS = 2.5;

/** The error function: its power series near 0, the continued fraction of its complement (Lentz) elsewhere. */
function erf(x: number): number {
  const z = Math.abs(x);
  if (z > 6) return Math.sign(x);
  if (z < RADIUS) {
    let [term, sum] = [x, x];
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = z;
  for (let n = 60; n >= 1; n--) fraction = z + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-z * z) / (Math.sqrt(Math.PI) * fraction));
}

const ofFloat = (compute: (value: number) => number): Operators[string] =>
  operator('', (call) => unary(call, 'floats', compute));

export const functionOperators: Operators = {
  Cos: ofFloat(Math.cos),
  Erf: ofFloat(erf),
  Exp: ofFloat(Math.exp),
  Log: ofFloat(Math.log),
  Pow: operator('', (call) => binary(call, { numbers: Math.pow, floatsOnly: true })),
  // Whether −0 stays −0 is up to the engine.
  Relu: ofFloat((value) => (value < 0 ? 0 : value)),
  Sigmoid: ofFloat((value) => 1 / (1 + Math.exp(-value))),
  Sin: ofFloat(Math.sin),
  Softplus: ofFloat((value) => Math.max(value, 0) + Math.log1p(Math.exp(-Math.abs(value)))),
  Tanh: ofFloat(Math.tanh),
};
