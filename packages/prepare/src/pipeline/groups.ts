/**
 * Which models may be in memory at the same time. All of them, usually: then they are evaluated and measured side by side.
 * Large ones go in groups, with the source in every group, because everything is compared with it.
 */

/** A loaded model takes its weights, packed copies of them, and buffers. */
const MEMORY_PER_BYTE = 3;
const PROCESS_BYTES = 120_000_000;

/**
 * @param sourceBytes size of the source, which is in every group
 * @returns groups of at least one, in order, that fit into half of the memory together with the source
 */
export function groupBySize<T>(
  sourceBytes: number,
  candidates: readonly T[],
  bytesOf: (candidate: T) => number,
  memoryBytes: number,
): readonly (readonly T[])[] {
  const footprint = (bytes: number): number => PROCESS_BYTES + MEMORY_PER_BYTE * bytes;
  const groups: T[][] = [[]];
  let used = footprint(sourceBytes);
  for (const candidate of candidates) {
    const own = footprint(bytesOf(candidate));
    const last = groups.at(-1);
    if (last === undefined || (last.length > 0 && used + own > memoryBytes / 2)) {
      groups.push([candidate]);
      used = footprint(sourceBytes) + own;
    } else {
      last.push(candidate);
      used += own;
    }
  }
  return groups;
}
