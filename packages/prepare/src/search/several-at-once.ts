/** Work on a list, some items at a time, with results that do not depend on which is ready first. */

/**
 * The results in the order of `items`. After a failure none is begun any more, and those that are under way are waited for.
 * @throws what the first of them threw
 */
export async function severalAtOnce<T, R>(
  items: readonly T[],
  most: number,
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  let failed = false;
  const queue = items.entries();
  const one = async (): Promise<void> => {
    for (const [i, item] of queue) {
      if (failed) return;
      try {
        results[i] = await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: most }, one));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  return results;
}
