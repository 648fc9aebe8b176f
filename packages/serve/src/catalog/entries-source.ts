/**
 * Models listed in a file that may change while they are served: `models.config`, or a configuration file of ours. The file is
 * read again when its content changed; one that is wrong anywhere changes nothing. Each model of it is looked at by itself, and
 * one whose place does not answer shows what it showed last.
 */
import { asSlipwayError, type Clock, digestOf, fail } from '@slipway/core';
import { readBounded } from './model-tree.ts';
import { mergeSettings, type ModelEntry } from './settings.ts';
import type { ListedModel, Source } from './source.ts';
import { SourceWatch } from './watch.ts';

/** A file with thousands of models is a megabyte. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** How long one look waits for the places of all models, milliseconds. */
const PATIENCE_MS = 5000;

export interface EntriesFile {
  readonly file: string;
  /** @throws SERVING_CONFIG_INVALID */
  readonly read: (content: Buffer) => { readonly entries: readonly ModelEntry[]; readonly warnings: readonly string[] };
  readonly open: (entry: ModelEntry) => Source;
  readonly clock: Clock;
}

interface Entry {
  readonly entry: ModelEntry;
  readonly watch: SourceWatch;
}

export function entriesSource({ file, read, open, clock }: EntriesFile): Source {
  let digest: string | null = null;
  let entries = new Map<string, Entry>();
  const problems: string[] = [];
  const refresh = async (warnings: string[]): Promise<void> => {
    const content = await readBounded(file, MAX_FILE_BYTES);
    if (content === null) throw fail('FILE_NOT_FOUND', { path: file });
    const now = digestOf(content);
    if (now === digest) return;
    const given = read(content);
    warnings.push(...given.warnings);
    const next = new Map<string, Entry>();
    for (const entry of given.entries) {
      const before = entries.get(entry.name);
      const same = before !== undefined && before.entry.path === entry.path;
      const watch = same ? before.watch : new SourceWatch(open(entry), (problem) => problems.push(problem));
      next.set(entry.name, { entry, watch });
    }
    entries = next;
    digest = now;
  };
  return {
    description: file,
    declares: true,
    async scan() {
      const warnings: string[] = [];
      try {
        await refresh(warnings);
      } catch (error) {
        // At the start there is nothing to go on with.
        if (digest === null) throw error;
        warnings.push(`${asSlipwayError(error).message}; what was read before stays`);
      }
      const all = [...entries.values()];
      await patiently(Promise.all(all.map(({ watch }) => watch.refresh())), clock);
      const models = new Map<string, ListedModel>();
      for (const { entry, watch } of all) {
        const listed = watch.listing?.models.get(entry.name);
        const settings = mergeSettings(listed?.settings, entry.settings);
        models.set(entry.name, { candidates: [], ...listed, settings });
        warnings.push(...(watch.listing?.warnings ?? []));
      }
      return { models, warnings: [...warnings, ...problems.splice(0)] };
    },
  };
}

async function patiently(work: Promise<unknown>, clock: Clock): Promise<void> {
  let cancel: () => void = () => undefined;
  const enough = new Promise<void>((resolve) => {
    cancel = clock.after(PATIENCE_MS, resolve);
  });
  await Promise.race([work, enough]);
  cancel();
}
