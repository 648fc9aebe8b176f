import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { digestOfFile, quantize } from '@slipway/core';
import { mlpModel, readModelFile, writeModelFile } from '@slipway/onnx';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { applyPass } from './apply.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'slipway-apply-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

it('applies a pass from file to file and leaves nothing else behind', async () => {
  const source = path.join(directory, 'source.onnx');
  await writeModelFile(source, mlpModel({ layers: [32, 16, 4] }));
  const into = path.join(directory, 'new', 'folder');
  const applied = await applyPass(source, quantize.dynamic(), into);
  expect(applied.files).toEqual(['model.onnx']);
  expect(readdirSync(into)).toEqual(['model.onnx']);
  expect(applied.digest).toBe(await digestOfFile(path.join(into, 'model.onnx')));
  expect(applied.notes[0]).toMatch(/^2 matrix products compute in 8-bit integers/);
  const { graph } = await readModelFile(path.join(into, 'model.onnx'));
  expect(graph.nodes.filter(({ op }) => op === 'MatMulInteger')).toHaveLength(2);
});

it('leaves nothing behind when the pass does not apply', async () => {
  const source = path.join(directory, 'source.onnx');
  await writeModelFile(source, mlpModel({ layers: [32, 16, 4] }));
  const into = path.join(directory, 'into');
  await expect(applyPass(source, quantize.static(), into)).rejects.toMatchObject({ code: 'PASS_NOT_APPLICABLE' });
  expect(readdirSync(into)).toEqual([]);
});
