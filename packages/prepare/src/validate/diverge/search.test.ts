import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { firstBad, type Look } from './search.ts';

/** Numbers of parents by number: everything is computed from one or two earlier ones. */
const dag = fc
  .integer({ min: 1, max: 150 })
  .chain((size) =>
    fc.tuple(
      ...Array.from({ length: size }, (_, i) =>
        i === 0 ? fc.constant<number[]>([]) : fc.uniqueArray(fc.nat(i - 1), { minLength: 1, maxLength: 2 }),
      ),
    ),
  );

const looker = (kinds: (index: number) => Look) => {
  const looks: (readonly number[])[] = [];
  const look = (indices: readonly number[]): Promise<Look[]> => {
    looks.push(indices);
    return Promise.resolve(indices.map(kinds));
  };
  return { look, looks };
};

describe('looking for the first bad tensor', () => {
  it('finds it on a chain with as many runs as a division of it takes, and two at most', async () => {
    const cases = fc
      .integer({ min: 1, max: 3000 })
      .chain((size) => fc.tuple(fc.constant(size), fc.nat(size - 1), fc.integer({ min: 1, max: 4 })));
    await fc.assert(
      fc.asyncProperty(cases, async ([size, broken, width]) => {
        const { look, looks } = looker((index) => (index >= broken ? 'bad' : 'good'));
        const parents = (index: number): number[] => (index === 0 ? [] : [index - 1]);
        const found = await firstBad(size - 1, parents, look, width);
        expect(found).toEqual({ index: broken, parents: broken === 0 ? [] : [broken - 1] });
        expect(looks.length).toBeLessThanOrEqual(Math.ceil(Math.log(size) / Math.log(width + 1)) + 2);
        expect(new Set(looks.flat()).size).toBe(looks.flat().length);
        expect(Math.max(0, ...looks.map((one) => one.length))).toBeLessThanOrEqual(width);
      }),
    );
  });

  it('finds the one that breaks all that is computed from it, in any graph', async () => {
    await fc.assert(
      fc.asyncProperty(dag, fc.nat(), fc.integer({ min: 1, max: 4 }), async (graph, pick, width) => {
        const end = graph.length - 1;
        const above = new Set([end]);
        for (let i = end; i >= 0; i--) if (above.has(i)) graph[i]!.forEach((parent) => above.add(parent));
        const broken = [...above][pick % above.size]!;
        const bad = new Set([broken]);
        for (let i = broken + 1; i <= end; i++) if (graph[i]!.some((parent) => bad.has(parent))) bad.add(i);
        const { look } = looker((index) => (bad.has(index) ? 'bad' : 'good'));
        expect((await firstBad(end, (index) => graph[index]!, look, width)).index).toBe(broken);
      }),
    );
  });

  it('ends at a bad tensor with good parents, whatever is good, bad or incomparable', async () => {
    const kinds = fc.array(fc.constantFrom<Look>('good', 'bad', 'incomparable'), { minLength: 150, maxLength: 150 });
    await fc.assert(
      fc.asyncProperty(dag, kinds, async (graph, kind) => {
        const end = graph.length - 1;
        const { look, looks } = looker((index) => kind[index]!);
        const { index, parents } = await firstBad(end, (at) => graph[at]!, look, 3);
        expect(index === end || kind[index] === 'bad').toBe(true);
        // One that was set aside because it heals is no parent either.
        for (const parent of parents) expect(kind[parent]).toBe('good');
        expect(new Set(looks.flat()).size).toBe(looks.flat().length);
      }),
    );
  });

  it('sets aside what is well again right after it: scaled on purpose, and scaled back', async () => {
    const bad = new Set([10, 20, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63]);
    const parents = (index: number): number[] => (index === 0 ? [] : [index - 1]);
    for (const width of [1, 3]) {
      const { look } = looker((index) => (bad.has(index) ? 'bad' : 'good'));
      expect((await firstBad(63, parents, look, width)).index).toBe(50);
    }
  });
});
