/**
 * Resizing as Pillow's `Image.resize` does it, to the bit: two passes of a separable filter, horizontal first, with fixed-point weights
 * and 8 bits between the passes. When an image shrinks the filter widens with it, so every pixel counts (antialiasing).
 *
 * The library that decodes could resize too, and faster; but it rounds positions and weights another way, and a network sees the
 * difference. Source: Pillow, src/libImaging/Resample.c and Geometry.c (`ImagingScaleAffine` for nearest).
 */
import type { Pixels } from './pixels.ts';

export type Filter = 'nearest' | 'bilinear' | 'bicubic' | 'lanczos';

interface Kernel {
  /** Beyond this distance the weight is 0. */
  readonly support: number;
  readonly weight: (distance: number) => number;
}

const KERNELS: Readonly<Record<Exclude<Filter, 'nearest'>, Kernel>> = {
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weight: bicubic },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Keys' cubic, with a = −0.5. */
function bicubic(distance: number): number {
  const a = -0.5;
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

function sinc(x: number): number {
  if (x === 0) return 1;
  const angle = x * Math.PI;
  return Math.sin(angle) / angle;
}

export function resample(image: Pixels, height: number, width: number, filter: Filter): Pixels {
  if (image.height === height && image.width === width) return image;
  if (filter === 'nearest') return nearest(image, height, width);
  const kernel = KERNELS[filter];
  const narrowed = image.width === width ? image : horizontal(image, width, kernel);
  return narrowed.height === height ? narrowed : vertical(narrowed, height, kernel);
}

function nearest({ data, channels, ...from }: Pixels, height: number, width: number): Pixels {
  const columns = positions(from.width, width);
  const rows = positions(from.height, height);
  const result = new Uint8Array(height * width * channels);
  let to = 0;
  for (const row of rows) {
    for (const column of columns) {
      const at = (row * from.width + column) * channels;
      for (let channel = 0; channel < channels; channel++) result[to++] = data[at + channel] ?? 0;
    }
  }
  return { height, width, channels, data: result };
}

/** Added up step by step, as there: at ties the rounding of the sum decides. */
function positions(from: number, to: number): Uint32Array {
  const step = from / to;
  const result = new Uint32Array(to);
  let at = step * 0.5;
  for (let i = 0; i < to; i++, at += step) result[i] = at;
  return result;
}

/** Bits behind the point in the weights. */
const PRECISION = 22;
const HALF = 1 << (PRECISION - 1);

interface Weights {
  /** Of the first pixel that counts, for each pixel of the result. */
  readonly first: Uint32Array;
  /** How many count. */
  readonly count: Uint32Array;
  /** `size` for each pixel of the result. */
  readonly values: Int32Array;
  readonly size: number;
}

function weightsOf(from: number, to: number, { support: radius, weight }: Kernel): Weights {
  const scale = from / to;
  const stretch = Math.max(1, scale);
  const support = radius * stretch;
  const size = Math.ceil(support) * 2 + 1;
  const first = new Uint32Array(to);
  const count = new Uint32Array(to);
  const values = new Int32Array(to * size);
  const exact = new Float64Array(size);
  for (let i = 0; i < to; i++) {
    const center = (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const length = Math.min(from, Math.trunc(center + support + 0.5)) - start;
    let sum = 0;
    for (let k = 0; k < length; k++) sum += exact[k] = weight((k + start - center + 0.5) * (1 / stretch));
    for (let k = 0; k < length; k++) {
      const fixed = ((exact[k] ?? 0) / (sum === 0 ? 1 : sum)) * (1 << PRECISION);
      values[i * size + k] = Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    }
    first[i] = start;
    count[i] = length;
  }
  return { first, count, values, size };
}

const clip = (sum: number): number => {
  const value = sum >> PRECISION;
  return value < 0 ? 0 : value > 255 ? 255 : value;
};

function horizontal({ data, height, channels, width: from }: Pixels, width: number, kernel: Kernel): Pixels {
  const { first, count, values, size } = weightsOf(from, width, kernel);
  const result = new Uint8Array(height * width * channels);
  let to = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const start = (y * from + (first[x] as number)) * channels;
      const length = count[x] as number;
      for (let channel = 0; channel < channels; channel++) {
        let sum = HALF;
        for (let k = 0, at = start + channel; k < length; k++, at += channels) {
          sum += (data[at] as number) * (values[x * size + k] as number);
        }
        result[to++] = clip(sum);
      }
    }
  }
  return { height, width, channels, data: result };
}

/** Row by row, so that memory is read in the order it lies in. */
function vertical({ data, width, channels, height: from }: Pixels, height: number, kernel: Kernel): Pixels {
  const { first, count, values, size } = weightsOf(from, height, kernel);
  const stride = width * channels;
  const result = new Uint8Array(height * stride);
  const sums = new Int32Array(stride);
  for (let y = 0; y < height; y++) {
    sums.fill(HALF);
    const start = first[y] as number;
    const length = count[y] as number;
    for (let k = 0; k < length; k++) {
      const weight = values[y * size + k] as number;
      const at = (start + k) * stride;
      for (let i = 0; i < stride; i++) sums[i] = (sums[i] as number) + (data[at + i] as number) * weight;
    }
    for (let i = 0; i < stride; i++) result[y * stride + i] = clip(sums[i] as number);
  }
  return { height, width, channels, data: result };
}
