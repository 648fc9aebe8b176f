/**
 * A rectangular array of numbers, read straight from the bytes of a JSON text: what a tensor is on the wire.
 *
 * Why not `JSON.parse`: building 784 boxed elements to copy them into a typed array costs more than twice this.
 * Values are float64, as in `JSON.parse`. When an integer was written that float64 cannot hold, `exact` is false and
 * the caller goes back to the text (`start`, `end`) and reads it as 64-bit integers.
 *
 * `values` is a view of the parser's own memory, good until it parses the next text: a copy per request would be garbage at
 * once, and collecting it cost a third of the gateway's time.
 */
export class Numbers {
  readonly shape: readonly number[];
  readonly values: Float64Array;
  readonly exact: boolean;
  readonly start: number;
  readonly end: number;

  constructor(shape: readonly number[], values: Float64Array, exact: boolean, start: number, end: number) {
    this.shape = shape;
    this.values = values;
    this.exact = exact;
    this.start = start;
    this.end = end;
  }
}

export const POWERS_OF_TEN: Float64Array = Float64Array.from({ length: 23 }, (_, exponent) => 10 ** exponent);
