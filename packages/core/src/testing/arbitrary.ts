/** Generators for the property tests of this room. */
import fc from 'fast-check';
import { ARRAY_OF, DTYPES, type DType } from '../dtype.ts';
import { type Tensor, tensor } from '../tensor.ts';

const elements: { readonly [D in DType]: fc.Arbitrary<number | bigint | string> } = {
  bool: fc.constantFrom(0, 1),
  uint8: fc.nat(0xff),
  uint16: fc.nat(0xffff),
  uint32: fc.integer({ min: 0, max: 0xffffffff }),
  uint64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  int8: fc.integer({ min: -128, max: 127 }),
  int16: fc.integer({ min: -32768, max: 32767 }),
  int32: fc.integer(),
  int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  float16: fc.nat(0xffff),
  float32: fc.float(),
  float64: fc.double(),
  string: fc.string({ unit: 'binary', maxLength: 8 }),
};

/** Tensors of every dtype, rank 0 to 3, empty ones included. */
export const anyTensor: fc.Arbitrary<Tensor> = fc
  .tuple(fc.constantFrom(...DTYPES), fc.array(fc.nat(4), { maxLength: 3 }))
  .chain(([dtype, shape]) => {
    const count = shape.reduce((product, dim) => product * dim, 1);
    return fc.array(elements[dtype], { minLength: count, maxLength: count }).map((values) => {
      if (dtype === 'string') return tensor(dtype, shape, values as string[]);
      if (dtype === 'float16') {
        // One NaN is as good as another, and only one survives conversion.
        const bits = (values as number[]).map((each) =>
          (each & 0x7c00) === 0x7c00 && (each & 0x3ff) !== 0 ? 0x7e00 : each,
        );
        return tensor(dtype, shape, Uint16Array.from(bits));
      }
      const data = new ARRAY_OF[dtype](count);
      values.forEach((value, index) => ((data as { [index: number]: unknown })[index] = value));
      return tensor(dtype, shape, data);
    });
  });
