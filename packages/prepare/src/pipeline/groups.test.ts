import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { groupBySize } from './groups.ts';

const GB = 1e9;

describe('groups', () => {
  it('are one for models that fit together, several for models that do not', () => {
    const own = (bytes: number): number => bytes;
    expect(groupBySize(1e6, [1e6, 2e6, 3e6], own, 8 * GB)).toEqual([[1e6, 2e6, 3e6]]);
    expect(groupBySize(0.4 * GB, [0.4 * GB, 0.4 * GB, 0.1 * GB], own, 8 * GB)).toEqual([
      [0.4 * GB, 0.4 * GB],
      [0.1 * GB],
    ]);
    // What fits nowhere is tried all the same, alone.
    expect(groupBySize(9 * GB, [9 * GB, 9 * GB], own, 8 * GB)).toEqual([[9 * GB], [9 * GB]]);
    expect(groupBySize(1, [], own, 8 * GB)).toEqual([[]]);
  });

  it('lose nothing and keep the order', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 4 * GB, noNaN: true })), (sizes) => {
        expect(groupBySize(GB, sizes, (bytes) => bytes, 16 * GB).flat()).toEqual(sizes);
      }),
    );
  });
});
