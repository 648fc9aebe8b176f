/**
 * Which of many items can be lowered together: the largest untried segment is added to what is accepted so far; when that is too
 * much, its halves are tried apart, down to single items. Whatever is returned was accepted as a whole, so nothing
 * rests on the items being independent. Where more items never make it better, the result is also maximal: each item that was left
 * out would be too much.
 *
 * With b items that must be left out of n, about 2·b·log2(n) trials; 1 when there are none.
 */

export interface Bisection<T> {
  readonly accepted: ReadonlySet<T>;
  /** Items that were tried on their own, beside what was accepted then, and were too much. */
  readonly rejected: readonly T[];
  /** Items in segments that were too much and not divided any further, because the trials ran out. */
  readonly undecided: readonly T[];
  readonly trials: number;
}

/**
 * @param accepts asked about a set at most `budget` times
 * @param onReject told of every single item that was too much, right after it was asked about
 */
export async function bisect<T>(
  items: readonly T[],
  accepts: (candidates: ReadonlySet<T>) => Promise<boolean>,
  budget: number,
  onReject: (item: T) => void = () => undefined,
): Promise<Bisection<T>> {
  let accepted: ReadonlySet<T> = new Set<T>();
  const rejected: T[] = [];
  const segments = items.length === 0 ? [] : [items];
  let trials = 0;
  while (segments.length > 0 && trials < budget) {
    // Of segments of equal length the first, so that the order of trials depends on nothing else.
    const longest = segments.reduce((best, one, i) => (one.length > (segments[best]?.length ?? 0) ? i : best), 0);
    const [segment = []] = segments.splice(longest, 1);
    const candidates = new Set([...accepted, ...segment]);
    trials++;
    if (await accepts(candidates)) accepted = candidates;
    else if (segment.length === 1) {
      rejected.push(...segment);
      segment.forEach(onReject);
    } else {
      const middle = Math.ceil(segment.length / 2);
      segments.splice(longest, 0, segment.slice(0, middle), segment.slice(middle));
    }
  }
  return { accepted, rejected, undecided: segments.flat(), trials };
}
