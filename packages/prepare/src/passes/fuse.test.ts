import path from 'node:path';
import {
  buildModel,
  encodeModel,
  encoderModel,
  inlineExternalData,
  isExternal,
  mlpModel,
  readModelFile,
  writeModelFile,
} from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { fusePass } from './fuse.ts';
import { offlineContext, runningContext } from './testing/context.ts';

const encoder = encoderModel({ layers: 2, hidden: 8, heads: 2, vocabulary: 20, maxPositions: 6 });

describe('the fuse pass', () => {
  it('says what it could do without doing it', () => {
    expect(fusePass.assess(encoder)).toMatchObject({ applicable: true, targets: 13 });
    expect(fusePass.assess(mlpModel({ layers: [4, 3] }))).toMatchObject({ applicable: false, targets: 0 });
  });

  it('says what it did, and does the same every time', async () => {
    const result = await fusePass.apply(encoder, { pass: 'fuse' }, offlineContext());
    expect(result.notes).toEqual([
      '257 nodes → 22 nodes, with the same results up to rounding.',
      'Fused: gelu 2, bias-gelu 2, attention 2, merge-projections 2, embed-layer-normalization 1, skip-layer-normalization 4. The operators are of com.microsoft: only ONNX Runtime has them.',
      expect.stringMatching(/^Simplified before and after: fold-constants \d+, /),
      'Masks of attention are taken to hold 0 and 1 only, which is what the exported form is meant for.',
    ]);
    const again = await fusePass.apply(encoder, { pass: 'fuse' }, offlineContext());
    expect(encodeModel(again.model)).toEqual(encodeModel(result.model));
  });

  it('raises models that are too old for LayerNormalization', async () => {
    const old = encoderModel({ layers: 1, hidden: 8, heads: 2, vocabulary: 20, maxPositions: 6, opset: 12 });
    const { model, notes } = await fusePass.apply(old, { pass: 'fuse' }, offlineContext());
    expect(model.graph.nodes.map(({ op }) => op)).toContain('SkipLayerNormalization');
    expect(notes).toContain('The operator set was raised to 17, the first with LayerNormalization.');
  });

  it('merges weights that are in external data', async () => {
    using context = runningContext();
    const file = path.join(context.workDirectory, 'model.onnx');
    await writeModelFile(file, encoder, { weights: 'external', minimumBytes: 128 });
    const stored = await readModelFile(file);
    expect([...stored.graph.initializers.values()].some(isExternal)).toBe(true);
    expect(fusePass.assess(stored).applicable).toBe(true);
    const { model } = await fusePass.apply(stored, { pass: 'fuse' }, context);
    expect(model.graph.nodes.filter(({ op }) => op === 'Attention')).toHaveLength(2);
    const again = await fusePass.apply(encoder, { pass: 'fuse' }, context);
    expect(encodeModel(inlineExternalData(model))).toEqual(encodeModel(again.model));
  });

  it('leaves out what it is told to', async () => {
    const { model } = await fusePass.apply(encoder, { pass: 'fuse', skip: ['merge-projections'] }, offlineContext());
    const ops = model.graph.nodes.map(({ op }) => op);
    expect(ops).toContain('MultiHeadAttention');
    expect(ops).not.toContain('Attention');
  });

  it('refuses a model with nothing to fuse, and a name it does not know', async () => {
    const relu = buildModel((b) => b.output(b.op('Relu', [b.input('x', 'float32', [2])]), 'float32', [2]));
    await expect(fusePass.apply(relu, { pass: 'fuse' }, offlineContext())).rejects.toThrow(/no attention, GELU/);
    const applied = fusePass.apply(encoder, { pass: 'fuse', skip: ['everything'] }, offlineContext());
    await expect(applied).rejects.toThrow(/no fusion "everything"/);
  });
});
