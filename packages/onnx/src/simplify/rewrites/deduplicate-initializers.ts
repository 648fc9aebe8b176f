/** One initializer where several hold the same elements. Weights in external data are not read for this. */
import { hasCode } from '@slipway/core';
import { rawBytes } from '../../ir/elements.ts';
import type { Initializer } from '../../ir/initializer.ts';
import type { Rewrite, Site } from '../rewrite.ts';

/** Weights of one kind that a candidate is compared with: many that differ late would take quadratic time. */
const MAX_COMPARED = 16;

/** Bytes looked at to tell most weights apart before they are compared. */
const SAMPLE = 64;

export const deduplicateInitializers: Rewrite = {
  name: 'deduplicate-initializers',
  exactness: 'exact',
  summary: 'Keeps one of several initializers with the same elements.',
  apply(site) {
    let count = 0;
    for (const group of alike(site)) {
      const kept: Initializer[] = [];
      for (const candidate of group) {
        const bytes = rawBytes(candidate);
        const twin = kept.find((other) => Buffer.compare(rawBytes(other), bytes) === 0);
        if (twin === undefined) {
          if (kept.length < MAX_COMPARED) kept.push(candidate);
          continue;
        }
        site.editor.replaceUses(candidate.name, twin.name);
        site.editor.removeInitializer(candidate.name);
        count += 1;
      }
    }
    return count;
  },
};

/** Initializers that may be equal: same type, dims and first bytes. */
function alike({ editor }: Site): readonly (readonly Initializer[])[] {
  const groups = new Map<string, Initializer[]>();
  for (const [name, initializer] of editor.initializers) {
    const { data, dtype, dims } = initializer;
    if (data.kind === 'external' || data.kind === 'strings' || editor.isInput(name) || editor.isOutput(name)) continue;
    const bytes = bytesOrNothing(initializer);
    if (bytes === undefined) continue;
    const key = `${dtype} ${dims.join()} ${Buffer.from(bytes.subarray(0, SAMPLE)).toString('latin1')}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [initializer]);
    else group.push(initializer);
  }
  return [...groups.values()].filter((group) => group.length > 1);
}

/** A tensor that does not hold what its dims ask for is left for the checker to report. */
function bytesOrNothing(initializer: Initializer): Uint8Array | undefined {
  try {
    return rawBytes(initializer);
  } catch (error) {
    if (hasCode(error, 'MODEL_INVALID')) return undefined;
    throw error;
  }
}
