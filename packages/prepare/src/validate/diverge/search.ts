/**
 * Where many tensors begin to be bad, by looking at few of them. Tensors are numbered in topological order; looking costs a run of
 * both models, however many are looked at in it, so a few are, and their numbers divide what is left evenly.
 *
 * Badness need not be monotonic: a branch that is good says nothing about the other one, and what a pass scales on purpose it
 * scales back later. So order alone decides nothing. What the division ends at is believed when everything it is computed from was
 * looked at and is good, and something computed from it is bad. Where a parent is bad, the search goes on among its ancestors; where
 * all is well again right after it, the tensor is set aside and the search begins anew with what is known. Either happens at most
 * once for a tensor, so it ends. On a chain of n tensors: log(n) / log(width + 1) runs, and two more at most.
 */

export type Look = 'good' | 'bad' | 'incomparable';

export interface Found {
  readonly index: number;
  /** Its nearest comparable ancestors: all good. */
  readonly parents: readonly number[];
}

/**
 * @param end one that is known to be bad
 * @param parents numbers of the nearest ancestors of each, all smaller than its own
 * @param look at several at once; asked about each number at most once
 * @param width how many to look at in one run
 */
export async function firstBad(
  end: number,
  parents: (index: number) => readonly number[],
  look: (indices: readonly number[]) => Promise<readonly Look[]>,
  width: number,
): Promise<Found> {
  const seen = new Map<number, Look>([[end, 'bad']]);
  const ask = async (indices: readonly number[]): Promise<void> => {
    const fresh = [...new Set(indices)].filter((index) => !seen.has(index));
    if (fresh.length === 0) return;
    const answers = await look(fresh);
    for (const [i, index] of fresh.entries()) seen.set(index, answers[i] ?? 'incomparable');
  };
  const is =
    (kind: Look) =>
    (index: number): boolean =>
      seen.get(index) === kind;
  const all = ancestors(end, parents);
  const children = reverse([...all, end], parents);

  let bad = end;
  for (;;) {
    // Nothing between `low` and `bad` has been looked at, and what precedes `low` is taken to be good for now.
    for (let low = -1; ;) {
      const above = [...ancestors(bad, parents)].filter((index) => index > low).sort((a, b) => a - b);
      bad = above.find(is('bad')) ?? bad;
      const between = above.filter((index) => index < bad && !seen.has(index));
      if (between.length === 0) break;
      const picked = spread(between, width);
      await ask(picked);
      bad = picked.find(is('bad')) ?? bad;
      low = Math.max(low, ...picked.filter((index) => index < bad && is('good')(index)));
    }
    const nearest = await comparable(bad, parents, ask, seen);
    const worse = nearest.filter(is('bad'));
    if (worse.length > 0) {
      bad = Math.min(...worse);
      continue;
    }
    const after = bad === end ? [end] : await comparable(bad, (index) => children.get(index) ?? [], ask, seen);
    if (after.some(is('bad'))) return { index: bad, parents: nearest };
    seen.set(bad, 'incomparable');
    bad = end;
  }
}

function ancestors(of: number, parents: (index: number) => readonly number[]): ReadonlySet<number> {
  const found = new Set<number>();
  const pending = [...parents(of)];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    pending.push(...parents(next));
  }
  return found;
}

function reverse(all: readonly number[], parents: (index: number) => readonly number[]): Map<number, number[]> {
  const children = new Map<number, number[]>();
  for (const child of all) {
    for (const parent of parents(child)) children.set(parent, [...(children.get(parent) ?? []), child]);
  }
  return children;
}

/** Neighbours, and in the place of those that cannot be compared theirs. */
async function comparable(
  of: number,
  neighbours: (index: number) => readonly number[],
  ask: (indices: readonly number[]) => Promise<void>,
  seen: ReadonlyMap<number, Look>,
): Promise<readonly number[]> {
  const found = new Set<number>();
  const passed = new Set<number>();
  let pending = [...neighbours(of)];
  while (pending.length > 0) {
    await ask(pending);
    const next: number[] = [];
    for (const index of pending) {
      if (seen.get(index) !== 'incomparable') found.add(index);
      else if (!passed.has(index)) next.push(...neighbours(index));
      passed.add(index);
    }
    pending = next;
  }
  return [...found].sort((a, b) => a - b);
}

/** At most `count` items that divide the list into parts of equal length. */
function spread(items: readonly number[], count: number): readonly number[] {
  if (items.length <= count) return items;
  return Array.from({ length: count }, (_, i) => items[Math.floor(((i + 1) * items.length) / (count + 1))] ?? 0);
}
