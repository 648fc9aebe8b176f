/**
 * The transforms of one version, compiled: files are read and checked once, a request then only runs functions. `before` does the
 * input steps row by row, so that of many images one is decoded at a time, and stacks what comes out; `after` does the output
 * steps on whole tensors.
 */
import {
  byteLength,
  fail,
  type Manifest,
  type OutputTransform,
  rows as rowsOf,
  type Signature,
  type SlipwayError,
  type Tensor,
  type Tensors,
  TransformProblem,
} from '@slipway/core';
import path from 'node:path';
import { checkSize, collate, type TokenInput } from './collate.ts';
import { type ImageDecoder, openImageDecoder } from './image/decode.ts';
import { inputStep, openTokenizer } from './input-steps.ts';
import { isFloat } from './numbers/floats.ts';
import { transpose } from './numbers/rearrange.ts';
import { classify, l2Normalize, meanPool, sigmoid, softmax } from './numbers/scores.ts';
import { isTensor, type Row, type RowStep } from './row.ts';
import { clientSignature, consumedInputs, type Declared } from './signature.ts';

export interface TransformProgram {
  /** What clients send and get. */
  readonly clientSignature: Signature;
  /**
   * What a client sent to what the model takes; inputs that no step reads are those that came.
   * @throws TENSOR_INVALID naming the input and the row
   */
  before(inputs: Tensors): Promise<Tensors>;
  /** @param inputs what the model took, for masks */
  after(outputs: Tensors, inputs: Tensors): Tensors;
}

/**
 * @param declared of a manifest, whose files are in `directory`
 * @throws MANIFEST_INVALID, TOKENIZER_INVALID, FILE_NOT_FOUND, ENGINE_UNAVAILABLE
 */
export async function compileTransforms(declared: Declared, directory: string): Promise<TransformProgram> {
  const signature = checkedSignature(declared, declared.signature, directory);
  const before = await compileInputs(declared, directory);
  return { clientSignature: signature, before, after: compileOutputs(declared) };
}

/** @throws MANIFEST_INVALID */
export function checkedSignature(declared: Declared, accepts: Signature, directory: string): Signature {
  try {
    return clientSignature(declared, accepts);
  } catch (error) {
    if (!(error instanceof TransformProblem)) throw error;
    throw fail('MANIFEST_INVALID', { path: directory, problem: `transforms.${error.where} ${error.message}` });
  }
}

/** @throws TOKENIZER_INVALID, FILE_NOT_FOUND, ENGINE_UNAVAILABLE */
async function compileInputs(declared: Declared, directory: string): Promise<TransformProgram['before']> {
  const { transforms = {}, signature } = declared;
  let opened: Promise<ImageDecoder> | null = null;
  const decoder = (): Promise<ImageDecoder> =>
    (opened ??= openImageDecoder().catch((error: unknown) => {
      throw fail(
        'ENGINE_UNAVAILABLE',
        { engine: 'sharp', problem: String(error).split('\n')[0] ?? '' },
        { cause: error },
      );
    }));
  const steps: { readonly run: RowStep; readonly origin: string }[] = [];
  const tokens = new Map<string, TokenInput>();
  /** The client's input each value was made of. */
  const origins = new Map<string, string>();
  for (const step of transforms.inputs ?? []) {
    const origin = origins.get(step.from) ?? step.from;
    steps.push({ run: await inputStep(step, { decoder, directory }), origin });
    if (step.transform !== 'tokenize') origins.set(step.to ?? step.from, origin);
    else {
      const { padding } = await openTokenizer(path.resolve(directory, step.tokenizer));
      for (const part of ['ids', 'mask', 'types'] as const) {
        const name = step[part];
        if (name === undefined) continue;
        const dtype = signature.inputs.find((spec) => spec.name === name)?.dtype === 'int32' ? 'int32' : 'int64';
        tokens.set(name, { step, part, dtype, padding });
      }
    }
  }
  const consumed = consumedInputs(transforms);
  return async (inputs) => {
    const untouched = Object.entries(inputs).filter(([name]) => !consumed.has(name));
    const given = Object.entries(inputs).filter(([name]) => consumed.has(name));
    const count = rowCount(given);
    const rows: Row[] = [];
    for (let index = 0; index < count; index++) {
      const row: Row = new Map(given.map(([name, value]) => [name, rowOf(value, index)]));
      for (const { run, origin } of steps) await run(row, `input "${origin}"[${index}]`);
      if (index === 0) checkSize(count, bytesOf(row));
      rows.push(row);
    }
    if (count === 0) throw noRows();
    return { ...Object.fromEntries(untouched), ...collate(rows, signature, tokens) };
  };
}

const noRows = (): SlipwayError => fail('TENSOR_INVALID', { where: 'the request', problem: 'it has no rows' });

/** @throws TENSOR_INVALID when inputs differ in it */
function rowCount(inputs: readonly (readonly [string, Tensor])[]): number {
  const [first] = inputs;
  const count = first?.[1].shape[0] ?? 0;
  for (const [name, { shape }] of inputs) {
    if (shape[0] === count) continue;
    const problem = `has ${shape[0] ?? 0} rows, input "${first?.[0] ?? ''}" has ${count}`;
    throw fail('TENSOR_INVALID', { where: `input "${name}"`, problem });
  }
  return count;
}

function rowOf(value: Tensor, index: number): Tensor | string | Uint8Array {
  if (value.dtype === 'string' && value.shape.length === 1) return value.data[index] ?? '';
  const row = rowsOf(value, index, index + 1);
  return { ...row, shape: row.shape.slice(1) };
}

function bytesOf(row: Row): number {
  let bytes = 0;
  for (const value of row.values()) if (isTensor(value)) bytes += byteLength(value);
  return bytes;
}

/** The output steps of a version; they need nothing from disk. */
export function compileOutputs({
  transforms = {},
  labels,
}: Pick<Manifest, 'labels' | 'transforms'>): TransformProgram['after'] {
  const steps = transforms.outputs ?? [];
  return (outputs, inputs) => {
    const values = new Map(Object.entries(outputs));
    for (const step of steps) {
      const value = values.get(step.from);
      if (value === undefined) throw fail('INTERNAL', { problem: `the model gave no "${step.from}"` });
      values.delete(step.from);
      for (const [name, result] of outputStep(step, value, inputs, labels ?? null)) values.set(name, result);
    }
    return Object.fromEntries(values);
  };
}

function outputStep(
  step: OutputTransform,
  value: Tensor,
  inputs: Tensors,
  labels: readonly string[] | null,
): readonly (readonly [string, Tensor])[] {
  const to = 'to' in step ? (step.to ?? step.from) : step.from;
  if (step.transform === 'transpose') return [[to, transpose(value, [0, ...step.order.map((axis) => axis + 1)])]];
  if (!isFloat(value)) throw fail('INTERNAL', { problem: `"${step.from}" is ${value.dtype}` });
  switch (step.transform) {
    case 'softmax':
      return [[to, softmax(value)]];
    case 'sigmoid':
      return [[to, sigmoid(value)]];
    case 'l2Normalize':
      return [[to, l2Normalize(value)]];
    case 'meanPool':
      return [[to, meanPool(value, step.mask === undefined ? null : (inputs[step.mask] ?? null))]];
    case 'classify': {
      const { label, score } = classify(value, step.top ?? 1, labels);
      return [
        [step.label ?? 'label', label],
        [step.score ?? 'score', score],
      ];
    }
  }
}
