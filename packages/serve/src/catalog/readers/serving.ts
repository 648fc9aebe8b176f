/** A serving configuration of ours, in JSON, as models with their settings. */
import { fail } from '@slipway/core';
import { compileServing } from '@slipway/core/schemas';
import path from 'node:path';
import { isServedName, mergeSettings, type ModelEntry, type ModelSettings } from '../settings.ts';

/** @throws SERVING_CONFIG_INVALID; nothing of a file that is wrong anywhere is used */
export function readServingConfig(
  content: Buffer,
  file: string,
): { readonly entries: readonly ModelEntry[]; readonly warnings: readonly string[] } {
  let exported: unknown;
  try {
    exported = JSON.parse(content.toString('utf8'));
  } catch (error) {
    throw fail('SERVING_CONFIG_INVALID', { path: file, problem: `is not JSON: ${(error as Error).message}` });
  }
  const { defaults, models } = compileServing(exported, file);
  const entries = Object.entries(models).map(([name, { path: at, ...settings }]): ModelEntry => {
    if (!isServedName(name)) {
      throw fail('SERVING_CONFIG_INVALID', { path: file, problem: `models: "${name}" cannot be the name of a model` });
    }
    if (at === undefined) {
      throw fail('SERVING_CONFIG_INVALID', {
        path: file,
        problem: `models.${name}.path: is missing; a path is needed`,
      });
    }
    const place = /^[a-z][a-z0-9+.-]*:\/\//.test(at) ? at : path.resolve(path.dirname(file), at);
    // The schema is that of `ModelSettings`, and leaves out what is not given.
    return {
      name,
      path: place,
      settings: mergeSettings(defaults as ModelSettings | undefined, settings as ModelSettings),
    };
  });
  return { entries, warnings: [] };
}
