/** A quantized transformer with one scale that is wrong: the layer it belongs to is named, whichever it is. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { PassSpec } from '@slipway/core';
import { isOp, type Model, type Node, readModelFile } from '@slipway/onnx';
import { beforeAll, describe, expect, it } from 'vitest';
import { PASSES } from '../../passes/index.ts';
import { runningContext } from '../../passes/testing/context.ts';
import { datasetOf } from '../../passes/testing/run.ts';
import { readSentences } from '../../testing/sst2.ts';
import { withWeight } from '../testing/corrupt.ts';
import { type Diverged, findDivergence } from './diverge.ts';

const data = path.resolve(import.meta.dirname, '../../../../../../shared/data');

describe.skipIf(!existsSync(data))('sentiment transformer (needs ../shared/data)', () => {
  let source: Model;
  let layers: readonly Node[];
  beforeAll(async () => {
    source = await readModelFile(path.join(data, 'sentiment/sentiment.onnx'));
    const { nodes, initializers } = source.graph;
    layers = nodes.filter((node) => isOp(node, 'MatMul') && initializers.has(node.inputs[1] ?? ''));
  });

  const search = async (candidate: Model): Promise<{ diverged: Diverged; runs: number }> => {
    using context = runningContext();
    let runs = 0;
    const diverged = await findDivergence(source, candidate, {
      calls: [readSentences(data, 'dev', 0, 16).inputs],
      workDirectory: context.workDirectory,
      run(file, calls) {
        runs++;
        return context.runModel(file, calls, { optimization: 'all' });
      },
    });
    return { diverged, runs };
  };
  const quantized = async (spec: PassSpec): Promise<Model> => {
    using context = runningContext(datasetOf(source, readSentences(data, 'train', 0, 64).inputs));
    return (await PASSES[spec.pass].apply(source, spec as never, context)).model;
  };

  it.each([{ pass: 'quantize.static' }, { pass: 'quantize.dynamic' }] as PassSpec[])(
    'is known to go wrong where a layer has a wrong scale: $pass',
    async (spec) => {
      const model = await quantized(spec);
      expect(layers.length).toBeGreaterThan(8);
      for (const layer of layers.filter((_, i) => i % 6 === 1)) {
        const [, weight = ''] = layer.inputs;
        const { diverged, runs } = await search(withWeight(model, `${weight}_scale`, (scale) => scale * 20));
        expect(diverged.found, diverged.reason ?? '').toMatchObject({ nodes: [{ name: layer.name }] });
        expect(diverged.found!.before!.sqnrDb).toBeGreaterThan(10);
        expect(runs).toBeLessThanOrEqual(2 * (Math.ceil(Math.log2(diverged.found!.tensors) / 2) + 6));
      }
    },
  );
});
