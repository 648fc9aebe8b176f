/**
 * The first node at which two models part: tensors that both compute are found by name (match.ts), a few at a time are made outputs
 * of both models, and a division of the graph (search.ts) ends at one that is bad while all it is computed from is not.
 *
 * Bad is what is not finite, when the outputs are not; otherwise, what is about as far from the source as the outputs are. The outputs
 * themselves are looked at in every run, because a tensor that becomes an output is one the engine can no longer fuse away: when
 * that alone mends the outputs, the error is in what the engine fuses, and no node can be blamed.
 */
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Divergence, TensorError, Tensors } from '@slipway/core';
import { createValueInfo, type Model, tensorType, type ValueInfo, withModel, writeModelFile } from '@slipway/onnx';
import { NOTABLE_DB } from '../notable.ts';
import { type ErrorMeter, errorMeter } from './figure.ts';
import { type Cut, matchTensors, type Reading } from './match.ts';
import { firstBad, type Look } from './search.ts';

/** Enough to halve the number of runs against one at a time, few enough to leave most of the graph to the engine's fusions. */
const WIDTH = 3;
/** A tensor this much better than the outputs is not yet where their error comes from, dB. */
const MARGIN_DB = 3;

export interface DivergeOptions {
  /** Rows, as the inputs of calls that both models take. */
  readonly calls: readonly Tensors[];
  /** An empty directory for models with more outputs; what is written is removed. */
  readonly workDirectory: string;
  /** The outputs of a model file for each call, in order. */
  readonly run: (file: string, calls: readonly Tensors[]) => AsyncIterable<Tensors>;
}

/** The divergence, or why there is none to name. */
export type Diverged =
  { readonly found: Divergence; readonly reason: null } | { readonly found: null; readonly reason: string };

/** @throws whatever running either model throws */
export async function findDivergence(source: Model, candidate: Model, options: DivergeOptions): Promise<Diverged> {
  const none = (reason: string): Diverged => ({ found: null, reason });
  const cuts = matchTensors(source, candidate);
  const names = new Set(source.graph.outputs.map(({ name }) => name));
  const ends = cuts.flatMap(({ tensor, candidate: { output } }, i) =>
    names.has(tensor) && output === tensor ? [i] : [],
  );
  if (ends.length === 0) return none('no output is one that both models compute in floating point');
  const errors = new Map<number, TensorError>();
  const measure = async (indices: readonly number[]): Promise<ReadonlyMap<number, TensorError>> => {
    const measured = await compare(source, candidate, cuts, [...new Set([...indices, ...ends])], options);
    for (const index of indices) {
      const error = measured.get(index);
      if (error !== undefined) errors.set(index, error);
    }
    return measured;
  };
  const outputs = await measure(ends);
  const [end, worst] = [...outputs].reduce((a, b) => (isWorse(b[1], a[1]) ? b : a), [ends[0] ?? 0, NO_ERROR]);
  const bound = Math.max(NOTABLE_DB, (worst.sqnrDb ?? Infinity) + MARGIN_DB);
  const isBad = ({ sqnrDb, notFinite }: TensorError): boolean =>
    worst.notFinite === null ? notFinite !== null || (sqnrDb !== null && sqnrDb < bound) : notFinite !== null;
  if (!isBad(worst)) return none('the outputs are equal');

  const mended: (readonly number[])[] = [];
  const look = async (indices: readonly number[]): Promise<readonly Look[]> => {
    const measured = await measure(indices);
    const now = measured.get(end);
    if (now !== undefined && !isBad(now)) mended.push(indices);
    return indices.map((index) => {
      const error = measured.get(index);
      return error === undefined ? 'incomparable' : isBad(error) ? 'bad' : 'good';
    });
  };
  const { index, parents } = await firstBad(end, (at) => cuts[at]?.parents ?? [], look, WIDTH);
  const [first] = mended;
  if (first !== undefined) {
    const shown = first.map((at) => `"${cuts[at]?.tensor ?? ''}"`).join(', ');
    return none(
      `the difference goes away when ${shown} can be seen: it comes from how the engine fuses the nodes around`,
    );
  }
  const cut = cuts[index];
  const after = errors.get(index);
  if (cut === undefined || after === undefined) {
    return none('the tensors that both models compute do not lead to the output');
  }
  const before = parents.flatMap((parent) => errors.get(parent) ?? []);
  const found: Divergence = {
    nodes: cut.between.map(({ name, op, outputs }) => ({
      name: name === '' ? (outputs[0] ?? '') : name,
      operator: op,
    })),
    tensor: cut.tensor,
    before: before.length === 0 ? null : before.reduce((a, b) => (isWorse(b, a) ? b : a)),
    after,
    tensors: cuts.length,
  };
  return { found, reason: null };
}

const NO_ERROR: TensorError = { sqnrDb: null, notFinite: null };

function isWorse(a: TensorError, b: TensorError): boolean {
  if (a.notFinite !== null || b.notFinite !== null) return b.notFinite === null;
  return (a.sqnrDb ?? Infinity) < (b.sqnrDb ?? Infinity);
}

/** Run both models with these tensors as outputs; without those that turn out to have different shapes. */
async function compare(
  source: Model,
  candidate: Model,
  cuts: readonly Cut[],
  indices: readonly number[],
  { calls, workDirectory, run }: DivergeOptions,
): Promise<ReadonlyMap<number, TensorError>> {
  const looked = indices.flatMap((index) => {
    const cut = cuts[index];
    return cut === undefined ? [] : [{ index, cut, meter: errorMeter(cut.source, cut.candidate) }];
  });
  const readings = (side: 'source' | 'candidate'): readonly Reading[] => looked.map(({ cut }) => cut[side]);
  const expected = await answersOf(source, readings('source'), 'source');
  const actual = await answersOf(candidate, readings('candidate'), 'candidate');
  const apart = new Set<ErrorMeter>();
  for (const [i, outputs] of expected.entries()) {
    for (const { cut, meter } of looked) {
      const [first, second] = [outputs[cut.source.output], actual[i]?.[cut.candidate.output]];
      if (first === undefined || second === undefined || !meter.add(first, second)) apart.add(meter);
    }
  }
  return new Map(looked.flatMap(({ index, meter }) => (apart.has(meter) ? [] : [[index, meter.result()] as const])));

  async function answersOf(model: Model, wanted: readonly Reading[], name: string): Promise<Tensors[]> {
    const directory = path.join(workDirectory, name);
    await mkdir(directory, { recursive: true });
    const file = path.join(directory, 'model.onnx');
    try {
      await writeModelFile(file, exposing(model, wanted));
      const answers: Tensors[] = [];
      for await (const outputs of run(file, calls)) answers.push(outputs);
      return answers;
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
}

/** The model with more outputs. */
function exposing(model: Model, readings: readonly Reading[]): Model {
  const { graph } = model;
  const has = new Set(graph.outputs.map(({ name }) => name));
  const more: ValueInfo[] = [];
  for (const { output, dtype } of readings) {
    if (has.has(output)) continue;
    has.add(output);
    more.push(createValueInfo(output, tensorType(dtype, null)));
  }
  return withModel(model, { graph: Object.freeze({ ...graph, outputs: Object.freeze([...graph.outputs, ...more]) }) });
}
