/**
 * How the values of a tensor are distributed, in one pass over any number of them and in bounded memory.
 *
 * A bucket is named by the leading bits of a float32: sign, exponent and ten bits of the mantissa. So there is nothing to
 * choose before the first value is seen and nothing to redistribute when a larger one comes: buckets are as fine relative
 * to 1 as to 1e6 (each is at most 1/1024 of its value wide), and the counts do not depend on the order of the values or on how they are
 * cut into calls. A histogram of equal widths, the usual choice, has to be stretched at every new maximum, and one
 * outlier of a thousand times the rest leaves all the rest in its first bins.
 *
 * Values 2^24 times smaller than the largest, its own last bit, are counted as zero. That bounds memory: 8 KiB for each
 * power of two that occurs, of at most 25, on either side of zero.
 */
export class Histogram {
  /** How many values were counted. */
  count = 0;
  /** Exactly, not by bucket. */
  min = Infinity;
  max = -Infinity;
  /** Values that are zero, or as good as. */
  #zeros = 0;
  /** Per sign (1: negative) and exponent, the counts of its buckets. */
  readonly #octaves: (Float64Array | undefined)[] = new Array<Float64Array | undefined>(2 * EXPONENTS);

  /** @returns false when one of the values is NaN or infinite: nothing can be said about the tensor then */
  add(values: Float32Array): boolean {
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    let { min, max } = this;
    for (let i = 0; i < values.length; i++) {
      const value = values[i] ?? 0;
      const key = (bits[i] ?? 0) >>> (23 - RESOLUTION);
      const octave = (this.#octaves[key >>> RESOLUTION] ??= new Float64Array(BUCKETS));
      const bucket = key & (BUCKETS - 1);
      octave[bucket] = (octave[bucket] ?? 0) + 1;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    this.count += values.length;
    this.min = min;
    this.max = max;
    this.#forgetTiny();
    return this.#octaves[EXPONENTS - 1] === undefined && this.#octaves[2 * EXPONENTS - 1] === undefined;
  }

  /** The buckets that are not empty, in ascending order. */
  buckets(): Buckets {
    const low: number[] = [];
    const high: number[] = [];
    const count: number[] = [];
    const push = (from: number, to: number, values: number): void => {
      if (values === 0) return;
      low.push(from);
      high.push(to);
      count.push(values);
    };
    for (let exponent = EXPONENTS - 1; exponent >= 0; exponent--) {
      const octave = this.#octaves[EXPONENTS + exponent];
      for (let i = BUCKETS - 1; octave !== undefined && i >= 0; i--) {
        push(-edge(exponent, i + 1), -edge(exponent, i), octave[i] ?? 0);
      }
    }
    push(0, 0, this.#zeros);
    for (let exponent = 0; exponent < EXPONENTS; exponent++) {
      const octave = this.#octaves[exponent];
      for (let i = 0; octave !== undefined && i < BUCKETS; i++) {
        push(edge(exponent, i), edge(exponent, i + 1), octave[i] ?? 0);
      }
    }
    return { low: Float64Array.from(low), high: Float64Array.from(high), count: Float64Array.from(count) };
  }

  /** Octaves so far below the largest that they mean zero. */
  #forgetTiny(): void {
    const largest = Math.max(Math.abs(this.min), Math.abs(this.max));
    // Denormals have exponent 0, and are as good as zero whatever is largest.
    const lowest = Math.max(1, exponentOf(largest) - OCTAVES);
    for (let exponent = 0; exponent < lowest; exponent++) {
      for (const index of [exponent, EXPONENTS + exponent]) {
        const octave = this.#octaves[index];
        if (octave === undefined) continue;
        this.#zeros += octave.reduce((sum, values) => sum + values, 0);
        this.#octaves[index] = undefined;
      }
    }
  }
}

/** Ascending intervals and how many values fall into each. An interval of no width is exactly that value. */
export interface Buckets {
  readonly low: Float64Array;
  readonly high: Float64Array;
  readonly count: Float64Array;
}

const RESOLUTION = 10;
const BUCKETS = 2 ** RESOLUTION;
const EXPONENTS = 256;
const BIAS = 127;
const OCTAVES = 24;

const edge = (exponent: number, bucket: number): number => (1 + bucket / BUCKETS) * 2 ** (exponent - BIAS);

const exponentOf = (value: number): number => {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0] ?? 0;
  return (bits >>> 23) & (EXPONENTS - 1);
};

/** The same buckets by absolute value. */
export function magnitudes({ low, high, count }: Buckets): Buckets {
  const sides = Array.from(count, (values, i) => {
    const [a, b] = [Math.abs(low[i] ?? 0), Math.abs(high[i] ?? 0)];
    return { low: Math.min(a, b), high: Math.max(a, b), count: values };
  });
  sides.sort((a, b) => a.low - b.low || a.high - b.high);
  return {
    low: Float64Array.from(sides, (side) => side.low),
    high: Float64Array.from(sides, (side) => side.high),
    count: Float64Array.from(sides, (side) => side.count),
  };
}

/** Each run of `factor` buckets that share their leading bits, as one: edges nest, counts add. */
export function coarser({ low, high, count }: Buckets, factor: number): Buckets {
  const from: number[] = [];
  const to: number[] = [];
  const sum: number[] = [];
  // Where a coarse bucket ends is where the number of its fine ones, counted from its power of two, is a multiple.
  const key = (i: number): number => {
    const [a, b] = [Math.abs(low[i] ?? 0), Math.abs(high[i] ?? 0)];
    const inner = Math.min(a, b);
    const octave = 2 ** Math.floor(Math.log2(inner));
    const index = Math.floor(((inner / octave - 1) * BUCKETS) / factor);
    return inner === 0 ? 0 : Math.sign(low[i] ?? 0) * octave * (1 + (index * factor) / BUCKETS);
  };
  for (let i = 0; i < count.length; i++) {
    const last = from.length - 1;
    if (i > 0 && key(i) === key(i - 1) && low[i] !== high[i]) {
      to[last] = high[i] ?? 0;
      sum[last] = (sum[last] ?? 0) + (count[i] ?? 0);
    } else {
      from.push(low[i] ?? 0);
      to.push(high[i] ?? 0);
      sum.push(count[i] ?? 0);
    }
  }
  return { low: Float64Array.from(from), high: Float64Array.from(to), count: Float64Array.from(sum) };
}
