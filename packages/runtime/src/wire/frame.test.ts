import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ARRAY_OF, BYTES_PER_ELEMENT, concatRows, DTYPES, fromBytes, type Tensor, type Tensors } from '@slipway/core';
import { FrameReader } from './frame-reader.ts';
import { assemble, describe as layoutOf, type Description, encode, type Frame, KIND } from './frame.ts';

const shape = fc.array(fc.nat(4), { maxLength: 3 });
const anyTensor: fc.Arbitrary<Tensor> = fc.tuple(fc.constantFrom(...DTYPES), shape).chain(([dtype, dims]) => {
  const count = dims.reduce((product, dim) => product * dim, 1);
  if (dtype === 'string') {
    return fc
      .array(fc.string({ unit: 'grapheme' }), { minLength: count, maxLength: count })
      .map((data) => ({ dtype, shape: dims, data }));
  }
  const size = count * BYTES_PER_ELEMENT[dtype];
  return fc
    .uint8Array({ minLength: size, maxLength: size })
    .map((bytes) => fromBytes(dtype, dims, new Uint8Array(bytes)));
});
const anyTensors = fc.dictionary(fc.stringMatching(/^[a-z0-9:/.]{1,6}$/), anyTensor, {
  maxKeys: 4,
  noNullPrototype: true,
});

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const points = [...new Set(at.map((point) => point % (bytes.byteLength + 1)))].sort((a, b) => a - b);
  return [...points, bytes.byteLength].map((end, index) => Buffer.from(bytes.subarray(points[index - 1] ?? 0, end)));
}

const read = (chunks: readonly Buffer[]): Frame[] => {
  const reader = new FrameReader();
  return chunks.flatMap((chunk) => [...reader.push(chunk)]);
};
/** By bytes: NaN has many bit patterns, and all of them must survive. */
const plain = (tensors: Tensors): unknown =>
  Object.entries(tensors).map(([name, { dtype, shape: dims, data }]) => [
    name,
    dtype,
    dims,
    dtype === 'string'
      ? data
      : Buffer.from(
          (data as Uint8Array).buffer,
          (data as Uint8Array).byteOffset,
          (data as Uint8Array).byteLength,
        ).toString('hex'),
  ]);

describe('frames', () => {
  test('arrive as they were sent, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(anyTensors, { maxLength: 4 }), fc.array(fc.nat(), { maxLength: 12 }), (calls, at) => {
        const sent = calls.map((tensors, id) => {
          const layout = layoutOf(tensors);
          return encode(KIND.run, id, layout, tensors, layout.bytes);
        });
        const frames = read(cut(Buffer.concat(sent), at));
        expect(frames.map(({ kind, id }) => [kind, id])).toEqual(calls.map((_, id) => [KIND.run, id]));
        const got = frames.map((frame) => plain(assemble(frame.description as Description, frame.payload)));
        expect(got).toEqual(calls.map(plain));
      }),
      { numRuns: 100, endOnFailure: true, interruptAfterTimeLimit: 10_000, markInterruptAsFailure: true },
    );
  });

  test('stack the rows of several requests without making one tensor of them first', () => {
    const rows = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(rows, (counts) => {
        const requests = counts.map((count, index): Tensors => {
          const texts = Array.from({ length: count }, (_, row) => `${index}.${row}`);
          return {
            a: { dtype: 'uint8', shape: [count, 3], data: new Uint8Array(count * 3).fill(index) },
            s: { dtype: 'string', shape: [count, 1], data: texts },
            b: { dtype: 'int64', shape: [count], data: new BigInt64Array(count).fill(BigInt(-index)) },
          };
        });
        const layout = layoutOf(requests);
        const [frame] = read([encode(KIND.run, 1, layout, requests, layout.bytes)]);
        const whole = (name: string): Tensor => concatRows(requests.map((tensors) => tensors[name] as Tensor));
        expect(plain(assemble(frame!.description as Description, frame!.payload))).toEqual(
          plain({ a: whole('a'), s: whole('s'), b: whole('b') }),
        );
      }),
    );
  });

  test('can be viewed where they lie', () => {
    const tensors = {
      a: { dtype: 'uint8', shape: [3], data: Uint8Array.of(1, 2, 3) },
      b: { dtype: 'float64', shape: [1], data: Float64Array.of(0.5) },
    } as const;
    const layout = layoutOf(tensors);
    const frame = encode(KIND.run, 1, { note: 'ünaligned', ...layout }, tensors, layout.bytes);
    const [got] = read([Buffer.from(new Uint8Array(frame).buffer)]);
    const { b } = assemble(got!.description as Description, got!.payload);
    expect(b?.data).toEqual(new ARRAY_OF.float64(Float64Array.of(0.5).buffer, 0, 1));
    expect((b?.data as Float64Array).buffer).toBe(got!.payload.buffer);
  });

  test('of several megabytes arrive in chunks of 64 KB', () => {
    const x = { dtype: 'float32', shape: [1_000_000], data: new Float32Array(1_000_000).fill(7) } as const;
    const layout = layoutOf({ x });
    const bytes = encode(KIND.run, 1, layout, { x }, layout.bytes);
    const at = Array.from({ length: 61 }, (_, index) => (index + 1) * 65_536);
    const [frame] = read(cut(bytes, at));
    expect(assemble(frame!.description as Description, frame!.payload)['x']?.data).toEqual(x.data);
  });
});
