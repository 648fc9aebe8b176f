/** The whole build on a real model and real data, against figures that others measured. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { prune, quantize, search } from '@slipway/core';
import { compileConfig } from '@slipway/core/schemas';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from './build.ts';
import type { BuildResult } from './hooks.ts';

const DATA = path.join(import.meta.dirname, '../../../../../shared/data/mnist');

describe.skipIf(!existsSync(DATA))('digits (needs ../shared/data/mnist)', () => {
  let directory: string;
  let result: BuildResult;
  beforeAll(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'slipway-digits-'));
    const rows = (from: number, to: number) => ({
      inputs: path.join(DATA, 't10k-images-idx3-ubyte.gz'),
      labels: path.join(DATA, 't10k-labels-idx1-ubyte.gz'),
      rows: [from, to] as [number, number],
    });
    const recipe = search({
      pruned: [prune.magnitude({ rule: 'mean' })],
      'int8-static': [quantize.static({ preset: 'host' })],
    });
    const config = {
      name: 'digits',
      source: path.join(DATA, 'mnist.onnx'),
      data: { calibration: rows(0, 200), evaluation: rows(1000, 10_000) },
      recipe,
      objective: 'size' as const,
      gates: { drop: 0.01 },
      measure: { iterations: 30 },
    };
    result = await build(compileConfig(config, path.join(directory, 'slipway.config.ts')));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const candidate = (name: string) => result.report.candidates.find((each) => each.name === name)!;

  it('classifies 98.93 % of 9,000 images, as ONNX Runtime does from Python', () => {
    expect(candidate('source').metrics[0]!.value).toMatchObject({ value: 8904 / 9000, rows: 9000 });
  });

  it('rejects pruning by the mean, which leaves 97.60 %, by its gate', () => {
    expect(candidate('pruned')).toMatchObject({ verdict: 'failed', metrics: [{ value: { value: 8784 / 9000 } }] });
    expect(candidate('pruned').reason).toContain('accuracy drop 1.33 points');
  });

  it('keeps the accuracy in 8 bits at half the size, and releases that when size is the objective', () => {
    const quantized = candidate('int8-static');
    expect(quantized.metrics[0]!.value!.value).toBeGreaterThan(0.988);
    expect(quantized.size!.bytes).toBeLessThan(0.5 * candidate('source').size!.bytes);
    expect(quantized.parity!.sqnrDb).toBeGreaterThan(25);
    expect(result.report.choices.size).toBe('int8-static');
    expect(result.release!.manifest.lineage.steps.map((step) => step.pass)).toEqual(['import', 'quantize.static']);
    // Not "host", which would say something else on another machine.
    const { options } = result.release!.manifest.lineage.steps.at(-1)!;
    expect(['avx2', 'avx512', 'vnni', 'amx', 'arm64']).toContain(options['preset']);
    expect(result.release!.manifest.lineage.data.calibration).toMatch(/^sha256:/);
  });
});
