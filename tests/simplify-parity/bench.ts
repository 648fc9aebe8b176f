/** Runs models in ONNX Runtime and compares what they give, for tests of rewrites. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bytesOf, type Tensors } from '@slipway/core';
import { type Model, writeModelFile } from '@slipway/onnx';
import { type Engine, openOnnxruntime } from '@slipway/runtime';
import { expect } from 'vitest';

/** A directory and an engine; dispose of it to remove the directory. */
export class Bench implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'slipway-rewrites-'));
  #engine: Promise<Engine> | undefined;
  #files = 0;

  /** Without the engine's own optimizations, where not asked for: two graphs are compared, not what it makes of them. */
  async run(model: Model, inputs: Tensors, optimization: 'none' | 'basic' | 'all' = 'none'): Promise<Tensors> {
    const path = join(this.#directory, `${this.#files++}.onnx`);
    await writeModelFile(path, model);
    this.#engine ??= openOnnxruntime();
    const session = await (await this.#engine).load(path, { threads: 1, spinning: false, optimization });
    try {
      return await session.run(inputs);
    } finally {
      await session.release();
      rmSync(path);
    }
  }
  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true });
  }
}

/** @param relative to the largest element; 0: bit for bit */
export function expectSame(actual: Tensors, expected: Tensors, relative: number): void {
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  for (const [name, value] of Object.entries(expected)) {
    const other = actual[name]!;
    expect([other.dtype, other.shape]).toEqual([value.dtype, value.shape]);
    if (value.dtype === 'string' || other.dtype === 'string') continue;
    if (relative === 0) {
      expect(Buffer.compare(bytesOf(other.data), bytesOf(value.data)), `bits of ${name}`).toBe(0);
      continue;
    }
    const numbers = Array.from(value.data, Number);
    const scale = numbers.reduce(
      (most, element) => (Number.isFinite(element) ? Math.max(most, Math.abs(element)) : most),
      1,
    );
    numbers.forEach((element, index) => {
      const found = Number(other.data[index]);
      const same = Object.is(found, element) || found === element || Math.abs(found - element) <= relative * scale;
      if (!same) throw new Error(`${name}[${index}] is ${found}, was ${element}`);
    });
  }
}
