import fc from 'fast-check';
import { expect, it } from 'vitest';
import { affineOf, quantizeArray, quantizeValue, roundHalfEven } from './affine.ts';
import { allFinite, channelRanges, quantizeInto, walkOf } from './loops.ts';

const element = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  // Ties, which random floats never are.
  fc.integer({ min: -600, max: 600 }).map((n) => n / 2),
);
const tensor = fc
  .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }))
  .chain((dims) => {
    const size = dims.reduce((product, dim) => product * dim, 1);
    return fc.record({
      dims: fc.constant(dims),
      values: fc.array(element, { minLength: size, maxLength: size }).map((list) => Float32Array.from(list)),
    });
  });

/** Index along `axis` of a flat index, computed the slow way. */
function channelOf(index: number, dims: readonly number[], axis: number | null): number {
  if (axis === null) return 0;
  const inner = dims.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  return Math.floor(index / inner) % (dims[axis] ?? 1);
}

it('says of every element what the arithmetic of one value says, along every axis', () => {
  fc.assert(
    fc.property(
      tensor,
      fc.constantFrom(null, 0, 1, 2),
      fc.constantFrom('int8' as const, 'uint8' as const),
      ({ dims, values }, axis, dtype) => {
        const { data, scales, zeroPoints } = quantizeArray(values, dims, axis, dtype);
        const ranges = new Map<number, [number, number]>();
        values.forEach((value, index) => {
          const channel = channelOf(index, dims, axis);
          const [min, max] = ranges.get(channel) ?? [0, 0];
          ranges.set(channel, [Math.min(min, value), Math.max(max, value)]);
        });
        for (const [channel, [min, max]] of ranges) {
          const affine = affineOf(min, max, dtype, dtype === 'int8' || axis !== null);
          expect([scales[channel], zeroPoints[channel]]).toEqual([affine.scale, affine.zeroPoint]);
        }
        values.forEach((value, index) => {
          const channel = channelOf(index, dims, axis);
          const affine = { scale: scales[channel]!, zeroPoint: zeroPoints[channel]! };
          expect(data[index]! + 0).toBe(quantizeValue(value, affine, dtype) + 0);
        });
      },
    ),
  );
});

it('rounds and saturates as one value does, whatever the scale', () => {
  fc.assert(
    fc.property(element, fc.float({ noNaN: true, min: 2 ** -100, max: 2 ** 60 }), (value, scale) => {
      const out = new Int8Array(1);
      const walk = walkOf([1], null);
      quantizeInto(out, Float32Array.of(value), walk, Float32Array.of(scale), [0], -128, 127);
      const expected = Math.max(-128, Math.min(127, roundHalfEven(Math.fround(value) / Math.fround(scale))));
      expect(out[0]! + 0).toBe(expected + 0);
    }),
  );
});

it('finds ranges that include zero', () => {
  const { mins, maxs } = channelRanges(Float32Array.of(1, -2, 3, -4, 5, 6), walkOf([3, 2], 1));
  expect([[...mins], [...maxs]]).toEqual([
    [0, -4],
    [5, 6],
  ]);
});

it.each([[[1, -0, 2]], [[]], [[NaN]], [[1, Infinity]], [[-Infinity, 1]]])('knows whether %j is finite', (list) => {
  expect(allFinite(Float32Array.from(list))).toBe(list.every(Number.isFinite));
});
