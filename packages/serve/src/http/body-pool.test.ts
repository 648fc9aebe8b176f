import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyPool } from './body-pool.ts';

describe('body pool', () => {
  it('gives buffers of the right size, aligned where asked, and the same memory again', () => {
    const pool = new BodyPool();
    const memory = new Set<ArrayBufferLike>();
    fc.assert(
      fc.property(fc.integer({ min: 65_536, max: 1_000_000 }), fc.integer({ min: 0, max: 500 }), (size, aligned) => {
        const body = pool.take(size, aligned);
        expect(body?.length).toBe(size);
        expect(((body?.byteOffset ?? 1) + aligned) % 8).toBe(0);
        memory.add((body as Buffer).buffer);
        pool.give(body as Buffer);
      }),
      { numRuns: 500 },
    );
    expect(memory.size).toBeLessThan(100);
  });

  it('never gives memory that is in use', () => {
    const pool = new BodyPool();
    const taken = Array.from({ length: 50 }, () => pool.take(100_000, 0) as Buffer);
    expect(new Set(taken.map(({ buffer }) => buffer)).size).toBe(50);
    for (const body of taken) pool.give(body);
    const again = Array.from({ length: 50 }, () => pool.take(100_000, 0) as Buffer);
    expect(new Set(again.map(({ buffer }) => buffer)).size).toBe(50);
  });

  it('leaves small bodies, and those that would set much aside on the word of a header', () => {
    const pool = new BodyPool();
    expect([pool.take(10, 0), pool.take(50_000_000, 0), pool.take(NaN, 0)]).toEqual([null, null, null]);
  });

  it('forgets memory that was moved to another thread', () => {
    const pool = new BodyPool();
    const body = pool.take(100_000, 0) as Buffer<ArrayBuffer>;
    structuredClone(body.buffer, { transfer: [body.buffer] });
    pool.give(body);
    expect(pool.take(100_000, 0)?.length).toBe(100_000);
  });
});
