/**
 * A Python with the reference tools (ONNX Runtime's own quantization, scikit-learn), for tests that compare with them. Named by SLIPWAY_REFERENCE_PYTHON,
 * otherwise `.venv/bin/python` of the repository; tests that find neither are skipped, visibly.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

const inRepository = path.resolve(import.meta.dirname, '../../../../.venv/bin/python');

/** The interpreter, or null when there is none with these modules. */
export function referencePython(modules = 'onnx, onnxruntime'): string | null {
  const python = process.env['SLIPWAY_REFERENCE_PYTHON'] ?? inRepository;
  if (!existsSync(python)) return null;
  return spawnSync(python, ['-c', `import ${modules}`]).status === 0 ? python : null;
}

/**
 * Run a script with `input` as JSON on its standard input; what it prints last, on a line of its own, is the answer as JSON.
 * @throws Error with what Python said when it failed
 */
export function runPython(python: string, script: string, input: unknown): unknown {
  const { status, stdout, stderr } = spawnSync(python, ['-c', script], {
    input: JSON.stringify(input),
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`the reference failed: ${stderr}`);
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
}
