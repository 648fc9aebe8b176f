/**
 * A directory of models, each as `model-tree.ts` describes: Triton's model repository, or what people keep for TensorFlow
 * Serving. Every directory in it is a model of that name; one that cannot be read is a problem of that model alone.
 */
import { asSlipwayError, fromSystemError } from '@slipway/core';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { type ScanOptions, scanModel } from './model-tree.ts';
import { isServedName } from './settings.ts';
import type { ListedModel, Source } from './source.ts';

export function repositorySource(directory: string, settleMs: number, wall: () => number): Source {
  const root = path.resolve(directory);
  return {
    description: `the model repository ${root}`,
    declares: true,
    async scan() {
      const options: ScanOptions = { settleMs, now: wall() };
      const warnings: string[] = [];
      const models = new Map<string, ListedModel>();
      for (const name of await directoriesIn(root)) {
        if (!isServedName(name)) {
          warnings.push(`${path.join(root, name)} is not served: it cannot be the name of a model`);
          continue;
        }
        try {
          const scanned = await scanModel(name, path.join(root, name), options);
          models.set(name, scanned.listed);
          warnings.push(...scanned.warnings);
        } catch (error) {
          models.set(name, { candidates: [], problem: asSlipwayError(error) });
        }
      }
      return { models, warnings };
    },
  };
}

/** Names, sorted; links to directories too. */
async function directoriesIn(root: string): Promise<string[]> {
  try {
    const names: string[] = [];
    for (const entry of await readdir(root, { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue;
      const linked = entry.isSymbolicLink() && (await stat(path.join(root, entry.name)).catch(() => null));
      if (entry.isDirectory() || (linked !== false && linked?.isDirectory() === true)) names.push(entry.name);
    }
    return names.sort();
  } catch (error) {
    throw fromSystemError(error, root, 'reading');
  }
}
