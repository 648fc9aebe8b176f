/**
 * What a client sends and gets, worked out from the signature of the model and its transforms: input steps are followed backwards
 * from the inputs of the model, output steps forwards from its outputs. Following them is also how they are
 * checked: a step that writes what nobody reads, or reads what is not there, or cannot give what the next one takes, is an error
 * here and not on the first request.
 */
import type { DType } from '../dtype.ts';
import type { Dim, Signature } from '../signature.ts';
import { UNKNOWN_DIM } from '../signature.ts';
import { suggest } from '../suggest.ts';
import type { InputTransform, OutputTransform, Transforms } from '../transforms.ts';

/** One row of a value: text, the bytes of an image file, or a tensor (without the batch axis). */
export type Field =
  | { readonly kind: 'text' }
  | { readonly kind: 'image' }
  | { readonly kind: 'tensor'; readonly dtype: DType; readonly shape: readonly Dim[] | null };

export type Fields = ReadonlyMap<string, Field>;

/** What is wrong with a step; `where` names it as a config does: `inputs[2]`. */
export class TransformProblem extends Error {
  readonly where: string;
  constructor(where: string, problem: string) {
    super(problem);
    this.where = where;
  }
}

type Tensor = Extract<Field, { kind: 'tensor' }>;

/**
 * @param down to which step to follow: with 0, the first one, the result is what a client sends
 * @returns what there is before that step @throws TransformProblem
 */
export function traceInputs(transforms: Transforms, signature: Signature, down = 0): Fields {
  const wanted = rowsOf(signature.inputs);
  const steps = transforms.inputs ?? [];
  for (const [i, step] of [...steps.entries()].slice(down).reverse()) {
    const problem = (text: string): never => {
      throw new TransformProblem(`inputs[${i}]`, text);
    };
    const written = writtenBy(step).map((name) => {
      const field = wanted.get(name);
      if (field?.kind === 'tensor') return { name, field };
      const known = [...wanted.keys()];
      return problem(
        `writes "${name}", which no later step and no input of the model reads; wanted are ${quoted(known)}${suggest(name, known)}`,
      );
    });
    for (const { name } of written) wanted.delete(name);
    const field = readBy(step, written, isImage(steps.slice(0, i), step.from), problem);
    const other = wanted.get(step.from);
    if (other !== undefined && describeField(other) !== describeField(field)) {
      problem(`reads "${step.from}" as ${describeField(field)}, a later step as ${describeField(other)}`);
    }
    wanted.set(step.from, field);
  }
  return wanted;
}

/**
 * @param labels how many names of classes there are; null for none
 * @returns what a client gets @throws TransformProblem
 */
export function traceOutputs(transforms: Transforms, signature: Signature, labels: number | null): Fields {
  const made = rowsOf(signature.outputs);
  for (const [i, step] of (transforms.outputs ?? []).entries()) {
    const problem = (text: string): never => {
      throw new TransformProblem(`outputs[${i}]`, text);
    };
    const field = made.get(step.from);
    const known = [...made.keys()];
    if (field?.kind !== 'tensor') {
      return problem(
        `reads "${step.from}", which is not there; there are ${quoted(known)}${suggest(step.from, known)}`,
      );
    }
    if (step.transform !== 'transpose' && !field.dtype.startsWith('float')) {
      problem(`takes floating-point numbers, "${step.from}" is ${field.dtype}`);
    }
    made.delete(step.from);
    for (const [name, result] of givenBy(step, field, signature, labels, problem)) {
      if (made.has(name)) problem(`writes "${name}", which is already there`);
      made.set(name, result);
    }
  }
  return made;
}

/** `text`, `image`, `float32[3, 224, 224]` */
export function describeField(field: Field): string {
  return field.kind === 'tensor' ? `${field.dtype}[${field.shape?.join(', ') ?? '…'}]` : field.kind;
}

/** The names of the values a step writes. */
export function writtenBy(step: InputTransform): string[] {
  if (step.transform !== 'tokenize') return [step.to ?? step.from];
  return [step.ids, step.mask, step.types].filter((name) => name !== undefined);
}

function rowsOf(specs: Signature['inputs']): Map<string, Field> {
  return new Map(
    specs.map(({ name, dtype, shape }) => [name, { kind: 'tensor', dtype, shape: shape?.slice(1) ?? null }]),
  );
}

type Problem = (text: string) => never;

/** What an input step reads, so that it can give what is wanted of it. */
function readBy(
  step: InputTransform,
  written: readonly { readonly name: string; readonly field: Tensor }[],
  fromImage: boolean,
  problem: Problem,
): Field {
  if (step.transform === 'tokenize') {
    for (const { name, field } of written) {
      const isIds = (field.dtype === 'int64' || field.dtype === 'int32') && (field.shape?.length ?? 1) === 1;
      if (!isIds) problem(`gives token ids, int64[length]; "${name}" is ${describeField(field)}`);
      const length = field.shape?.[0];
      if (typeof length === 'number' && !(step.padding === 'max' && step.maxLength === length)) {
        problem(`"${name}" takes exactly ${length} tokens: set padding: 'max' and maxLength: ${length}`);
      }
    }
    return { kind: 'text' };
  }
  const [{ name, field }] = written as readonly [{ readonly name: string; readonly field: Tensor }];
  const { dtype, shape } = field;
  switch (step.transform) {
    case 'normalize': {
      if (dtype !== 'float32') problem(`gives float32, "${name}" is ${describeField(field)}`);
      checkChannels(step, shape, problem);
      return { kind: 'tensor', dtype: step.dtype ?? (fromImage ? 'uint8' : 'float32'), shape };
    }
    case 'transpose':
      return { kind: 'tensor', dtype, shape: beforeTranspose(step.order, shape, problem) };
    default: {
      if (dtype !== 'uint8' || (shape !== null && shape.length !== 3)) {
        problem(
          `gives pixels, uint8[height, width, channels]; "${name}" is ${describeField(field)}: add normalize and transpose steps between`,
        );
      }
      if (step.transform === 'decodeImage') {
        const channels = step.color === 'gray' ? 1 : 3;
        const wanted = shape?.[2];
        if (typeof wanted === 'number' && wanted !== channels) {
          problem(`gives ${channels} channels (color: '${step.color ?? 'rgb'}'), "${name}" has ${wanted}`);
        }
        return { kind: 'image' };
      }
      const [height, width] = sizeOf(step.size);
      const fits = (given: Dim, wanted: Dim | undefined): boolean =>
        typeof given !== 'number' || typeof wanted !== 'number' || given === wanted;
      if (shape !== null && !(fits(height, shape[0]) && fits(width, shape[1]))) {
        problem(`gives ${height} × ${width} pixels, "${name}" takes ${shape[0] ?? ''} × ${shape[1] ?? ''}`);
      }
      return {
        kind: 'tensor',
        dtype,
        shape: shape === null ? null : [UNKNOWN_DIM, UNKNOWN_DIM, shape[2] ?? UNKNOWN_DIM],
      };
    }
  }
}

/** The shorter side alone does not say how large the image will be. */
const sizeOf = (size: number | readonly [number, number]): readonly [Dim, Dim] =>
  typeof size === 'number' ? [UNKNOWN_DIM, UNKNOWN_DIM] : size;

function givenBy(
  step: OutputTransform,
  field: Tensor,
  signature: Signature,
  labels: number | null,
  problem: Problem,
): readonly (readonly [string, Field])[] {
  const { dtype, shape } = field;
  const to = 'to' in step ? (step.to ?? step.from) : step.from;
  switch (step.transform) {
    case 'softmax':
    case 'sigmoid':
    case 'l2Normalize':
      return [[to, field]];
    case 'transpose': {
      checkOrder(step.order, shape, problem);
      return [[to, { kind: 'tensor', dtype, shape: shape && step.order.map((axis) => shape[axis] ?? UNKNOWN_DIM) }]];
    }
    case 'meanPool': {
      if (shape !== null && shape.length !== 2) {
        problem(`takes [tokens, width], "${step.from}" is ${describeField(field)}`);
      }
      const inputs = signature.inputs.map((input) => input.name);
      if (step.mask !== undefined && !inputs.includes(step.mask)) {
        problem(`mask: the model has no input "${step.mask}"; it has ${quoted(inputs)}${suggest(step.mask, inputs)}`);
      }
      return [[to, { kind: 'tensor', dtype, shape: shape?.slice(1) ?? null }]];
    }
    case 'classify': {
      if (shape !== null && shape.length !== 1) {
        problem(`takes one score per class, "${step.from}" is ${describeField(field)}`);
      }
      const classes = shape?.[0];
      const top = step.top ?? 1;
      if (typeof classes === 'number') {
        if (top > classes) problem(`top: ${top} of ${classes} classes`);
        if (labels !== null && labels !== classes) {
          problem(`the config names ${labels} labels, "${step.from}" has ${classes} classes`);
        }
      }
      const row = top === 1 ? [] : [top];
      return [
        [step.label ?? 'label', { kind: 'tensor', dtype: labels === null ? 'int64' : 'string', shape: row }],
        [step.score ?? 'score', { kind: 'tensor', dtype, shape: row }],
      ];
    }
  }
}

/** Whether `name` holds pixels after `steps`. */
function isImage(steps: readonly InputTransform[], name: string): boolean {
  const writer = steps.findLast((step) => writtenBy(step).includes(name));
  return writer !== undefined && ['decodeImage', 'resize', 'crop'].includes(writer.transform);
}

function checkChannels(
  { mean, std, axis = -1 }: Extract<InputTransform, { transform: 'normalize' }>,
  shape: readonly Dim[] | null,
  problem: Problem,
): void {
  for (const [key, value] of Object.entries({ mean, std })) {
    if (!Array.isArray(value)) continue;
    const channels = shape?.at(axis);
    if (shape !== null && channels === undefined) {
      problem(`axis: ${axis} is not one of the ${shape.length} axes of a row`);
    }
    if (typeof channels === 'number' && channels !== value.length) {
      problem(`${key}: ${value.length} numbers for the ${channels} channels along axis ${axis}`);
    }
    if (key === 'std' && value.includes(0)) problem('std: 0 cannot be divided by');
  }
  if (std === 0) problem('std: 0 cannot be divided by');
}

/** The shape that `order` turns into `shape`. */
function beforeTranspose(
  order: readonly number[],
  shape: readonly Dim[] | null,
  problem: Problem,
): readonly Dim[] | null {
  checkOrder(order, shape, problem);
  if (shape === null) return null;
  const before: Dim[] = [];
  for (const [i, axis] of order.entries()) before[axis] = shape[i] ?? UNKNOWN_DIM;
  return before;
}

function checkOrder(order: readonly number[], shape: readonly Dim[] | null, problem: Problem): void {
  const sorted = [...order].sort((a, b) => a - b);
  if (sorted.some((axis, i) => axis !== i)) {
    problem(`order: [${order.join(', ')}] is not an order of ${order.length} axes`);
  }
  if (shape !== null && shape.length !== order.length) {
    problem(`order: ${order.length} axes, a row has ${shape.length}`);
  }
}

const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(', ');
