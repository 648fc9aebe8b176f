/**
 * Rows as clients send them: text, and images as paths of files. They are put through the declared transforms by the code that a server
 * runs, so what is measured is the chain that will answer, and not tensors that somebody else made.
 *
 * Texts are padded to the longest of the data where the transforms say which tokens count; without a mask each row keeps
 * its own length, as in a request by itself.
 */
import {
  columnOf,
  concatRows,
  createDataset,
  type Dataset,
  type DataSource,
  fail,
  loadDataset,
  rows,
  type Signature,
  SlipwayError,
  type Tensor,
  type Tensors,
  textsOf,
  traceInputs,
  type Transforms,
} from '@slipway/core';
import { compileTransforms } from '@slipway/transform';
import { readFile } from 'node:fs/promises';
import path from 'node:path';

/** Images in one go: as many as are held decoded and resized at a time. */
const IMAGES_AT_A_TIME = 16;

/**
 * The rows of `source` for a model with `signature`: as they are when they fit it, else made from what its clients send.
 * @param directory of the config, to which paths of images are relative
 * @throws DATA_FORMAT, DATA_MISMATCH, DATA_EMPTY, FILE_NOT_FOUND, FILE_UNREADABLE, TENSOR_INVALID
 */
export async function loadRows(
  source: DataSource,
  signature: Signature,
  transforms: Transforms,
  directory: string,
): Promise<Dataset> {
  if ((transforms.inputs ?? []).length === 0) return loadDataset(source, signature);
  try {
    return await loadDataset(source, signature);
  } catch (error) {
    if (!(error instanceof SlipwayError) || !['DATA_FORMAT', 'DATA_MISMATCH'].includes(error.code)) throw error;
  }
  const program = await compileTransforms({ signature, transforms: { inputs: transforms.inputs } }, directory);
  const raw = await loadDataset(source, program.clientSignature);
  const inputs: Record<string, Tensor> = {};
  const fields = traceInputs(transforms, signature);
  for (const [name, value] of Object.entries(raw.inputs)) {
    if ('parts' in value) throw fail('DATA_MISMATCH', { problem: `input "${name}": rows have different shapes` });
    inputs[name] =
      fields.get(name)?.kind === 'image' && value.dtype === 'string' ? await images(value, directory) : value;
  }
  const made = await transformRows(inputs, raw, transforms, (some) => program.before(some));
  return createDataset(signature, made, raw.labels, {
    rowCount: raw.rowCount,
    firstRow: raw.firstRow,
    groups: raw.groups,
  });
}

async function images(paths: Tensor & { dtype: 'string' }, directory: string): Promise<Tensor> {
  const data: Uint8Array[] = [];
  for (const file of textsOf(paths)) {
    const at = path.resolve(directory, file);
    try {
      data.push(await readFile(at));
    } catch (cause) {
      throw fail('FILE_NOT_FOUND', { path: at }, { cause });
    }
  }
  return { dtype: 'string', shape: paths.shape, data };
}

async function transformRows(
  inputs: Tensors,
  { rowCount, firstRow }: Dataset,
  { inputs: steps = [] }: Transforms,
  before: (inputs: Tensors) => Promise<Tensors>,
): Promise<Dataset['inputs']> {
  const unmasked = steps.some(
    (step) => step.transform === 'tokenize' && step.padding !== 'max' && step.mask === undefined,
  );
  const decodes = steps.some(({ transform }) => transform === 'decodeImage');
  const size = unmasked ? 1 : decodes ? IMAGES_AT_A_TIME : rowCount;
  const parts: Tensors[] = [];
  for (let start = 0; start < rowCount; start += size) {
    const end = Math.min(rowCount, start + size);
    const some = Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, rows(value, start, end)]));
    try {
      parts.push(await before(some));
    } catch (error) {
      if (!(error instanceof SlipwayError) || error.code !== 'TENSOR_INVALID') throw error;
      const problem = `rows from ${firstRow + start} on: ${error.message}`;
      throw fail('DATA_MISMATCH', { problem }, { cause: error });
    }
  }
  const names = Object.keys(parts[0] ?? {});
  const stack = unmasked ? columnOf : concatRows;
  return Object.fromEntries(names.map((name) => [name, stack(parts.map((part) => part[name] as Tensor))]));
}
