/** Files that transforms need, as they are called in a release: `tokenizer.json`, or `tokenizer-2.json` for the second of that name. */
import path from 'node:path';
import type { Transforms } from '@slipway/core';

export interface NamedTransforms {
  /** With names inside the model directory in the place of paths. */
  readonly transforms: Transforms;
  /** Name in the model directory → path of the file to copy. */
  readonly files: ReadonlyMap<string, string>;
}

export function nameFiles(transforms: Transforms): NamedTransforms {
  const files = new Map<string, string>();
  const nameOf = (file: string): string => {
    const known = [...files].find(([, at]) => at === file);
    if (known !== undefined) return known[0];
    const extension = file.endsWith('.json') ? '.json' : '.txt';
    const name = `tokenizer${files.size === 0 ? '' : `-${files.size + 1}`}${extension}`;
    files.set(name, file);
    return name;
  };
  const inputs = transforms.inputs?.map((step) =>
    step.transform === 'tokenize' ? { ...step, tokenizer: nameOf(path.resolve(step.tokenizer)) } : step,
  );
  return { transforms: { ...transforms, ...(inputs === undefined ? {} : { inputs }) }, files };
}
