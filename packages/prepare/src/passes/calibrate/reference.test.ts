/**
 * Two defects of ONNX Runtime's own calibration, beside what is done here with the same values: rows that are thrown away when
 * their number exceeds `CalibMaxIntermediateOutputs`, and entropy that does nothing at its default number of bins. Ours are
 * tested in any case; theirs where a Python with onnxruntime is found.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { CalibrationSpec } from '@slipway/core';
import { buildModel, writeModelFile } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { referencePython, runPython } from '../../testing/reference-python.ts';
import { runningContext } from '../testing/context.ts';
import { datasetOf, normal } from '../testing/run.ts';
import { calibrate } from './calibrate.ts';
import type { Range } from './range.ts';

const model = buildModel((b) => {
  const x = b.input('x', 'float32', [1, 'n']);
  b.output(b.op('Relu', [x], { outputs: ['y'] }), 'float32', [1, 'n']);
});

async function ours(rows: readonly Float32Array[], method: CalibrationSpec): Promise<Range | undefined> {
  const data = Float32Array.from(rows.flatMap((row) => [...row]));
  const x = { dtype: 'float32', shape: [rows.length, rows[0]?.length ?? 0], data } as const;
  using context = runningContext(datasetOf(model, { x }));
  const options = { method, levels: 256, symmetric: true };
  return (await calibrate('quantize.static', model, ['x'], options, context)).ranges.get('x');
}

const SCRIPT = `
import json, sys, numpy as np
from onnxruntime.quantization.calibrate import CalibrationDataReader, CalibrationMethod, create_calibrator
given = json.load(sys.stdin)
class Reader(CalibrationDataReader):
    def __init__(self): self.rows = iter(given['rows'])
    def get_next(self):
        row = next(self.rows, None)
        return None if row is None else {'x': np.array([row], np.float32)}
calibrator = create_calibrator(given['model'], ['Relu'], calibrate_method=CalibrationMethod[given['method']], extra_options=given['options'])
calibrator.collect_data(Reader())
found = calibrator.compute_data()['x']
print(json.dumps([float(np.asarray(v).min()) for v in found.range_value]))
`;

const python = referencePython();
async function theirs(rows: readonly Float32Array[], method: string, options: object): Promise<number[]> {
  const directory = mkdtempSync(path.join(tmpdir(), 'slipway-reference-'));
  try {
    const file = path.join(directory, 'model.onnx');
    await writeModelFile(file, model);
    const input = { model: file, method, options, rows: rows.map((row) => [...row]) };
    return runPython(python ?? '', SCRIPT, input) as number[];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Row i holds only the value 86 + i: the last is 100. */
const rising = Array.from({ length: 15 }, (_, i) => Float32Array.of(86 + i));

describe('every row counts, however many there are', () => {
  it('here', async () => {
    expect(await ours(rising, 'minmax')).toEqual({ min: 86, max: 100 });
  });

  it.skipIf(python === null)('ONNX Runtime forgets rows (needs SLIPWAY_REFERENCE_PYTHON)', async () => {
    const options = { max_intermediate_outputs: 10 };
    expect(await theirs(rising, 'MinMax', {})).toEqual([86, 100]);
    // Ten rows are collected, then forgotten.
    expect(await theirs(rising, 'MinMax', options)).toEqual([96, 100]);
    await expect(theirs(rising.slice(0, 10), 'MinMax', options)).rejects.toThrow('No data is collected');
  });
});

describe('entropy leaves out one value of 40 among a hundred thousand normal ones', () => {
  const values = Float32Array.of(...normal(100_000, 1), 40);

  it('here', async () => {
    const range = await ours([values], 'entropy');
    expect(range?.max).toBeGreaterThan(3);
    expect(range?.max).toBeLessThan(7);
  });

  it.skipIf(python === null)(
    'not in ONNX Runtime as it comes, whose bins are as many as its levels (needs SLIPWAY_REFERENCE_PYTHON)',
    async () => {
      const [, byDefault] = await theirs([values], 'Entropy', {});
      expect(byDefault).toBeGreaterThan(39);
      const [, fine] = await theirs([values], 'Entropy', { num_bins: 2048, num_quantized_bins: 128 });
      expect(fine).toBeLessThan(7);
    },
  );
});
