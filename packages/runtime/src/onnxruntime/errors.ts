/**
 * What ONNX Runtime says when it fails, as rows of our error table. It has no error codes in Node, only texts; the
 * table below is checked against the installed version by `errors.test.ts`, so that an upgrade which rewords them is seen.
 */
import path from 'node:path';
import { fail, SlipwayError } from '@slipway/core/base';

interface Rule {
  readonly pattern: RegExp;
  readonly make: (match: RegExpExecArray, file: string) => SlipwayError;
}

const format = (problem: string) => (_: RegExpExecArray, file: string) => fail('MODEL_FORMAT', { path: file, problem });
const external = (problem: (match: RegExpExecArray) => string) => (match: RegExpExecArray, file: string) =>
  fail('EXTERNAL_DATA', { path: file, tensor: match[1] ?? '?', problem: problem(match) });

// prettier-ignore
const RULES: readonly Rule[] = [
  { pattern: /File doesn't exist/, make: (_, file) => fail('FILE_NOT_FOUND', { path: file }) },
  { pattern: /path is a directory/, make: format('it is a directory') },
  { pattern: /Protobuf parsing failed/, make: format('it is not a protobuf, or it is cut off') },
  { pattern: /ModelProto does not have a graph/, make: format('it holds no graph') },
  { pattern: /Missing opset in the model/, make: format('it names no opset') },
  { pattern: /Unsupported model IR version: (\d+), max supported IR version: (\d+)/, make: (m, file) => fail('MODEL_FORMAT', { path: file, problem: `IR version ${m[1] ?? '?'} is newer than ${m[2] ?? '?'}, the newest that ONNX Runtime reads` }) },
  { pattern: /No Op registered for (\S+) with domain_version of (\d+)/, make: (m, file) => fail('UNSUPPORTED_OPERATOR', { where: file, operator: m[1] ?? '?', problem: `opset ${m[2] ?? '?'} has no such operator` }) },
  { pattern: /In Node, \("([^"]*)", (\S+), "([^"]*)".*No opset import for domain/s, make: (m, file) => fail('UNSUPPORTED_OPERATOR', { where: file, operator: `${m[3] ?? ''}.${m[2] ?? '?'}`, problem: `the domain "${m[3] ?? ''}" is unknown (node "${m[1] ?? ''}")` }) },
  { pattern: /(\S+) is not a registered function\/op/, make: (m, file) => fail('UNSUPPORTED_OPERATOR', { where: file, operator: m[1] ?? '?', problem: 'ONNX Runtime does not know it' }) },
  { pattern: /Could not find an implementation for (\S+?)\(?(\d*)\)? node with name '([^']*)'/, make: (m, file) => fail('UNSUPPORTED_OPERATOR', { where: file, operator: m[1] ?? '?', problem: `ONNX Runtime has no CPU kernel for its element type (node "${m[3] ?? ''}")` }) },
  { pattern: /Opset (\d+) is under development.*support for domain (\S+) is till opset (\d+)/s, make: (m, file) => fail('UNSUPPORTED_OPSET', { path: file, opset: m[1] ?? '?', domain: m[2] ?? '?', newest: m[3] ?? '?' }) },
  { pattern: /validation failed for initializer: (.*?)\. Error: .*does not exist: "([^"]*)"/, make: external((m) => `is missing: ${path.basename(m[2] ?? '')}`) },
  { pattern: /validation failed for initializer: (.*?)\. Error: .*(?:escapes|Absolute path not allowed)/, make: external(() => 'points outside the folder of the model') },
  { pattern: /validation failed for initializer: (.*?)\. Error: (.*)/, make: external((m) => `is refused: ${m[2] ?? ''}`) },
  { pattern: /External initializer: (.*?) offset: (\d+) size to read: (\d+) given file_length: (\d+)/, make: external((m) => `ends at byte ${Number(m[2]) + Number(m[3])}, its file at ${m[4] ?? '?'}`) },
  { pattern: /TensorProto: (.*?) external data size mismatch\. Computed size: (\d+), external_data\.length: (\d+)/, make: external((m) => `has ${m[3] ?? '?'} bytes, its shape needs ${m[2] ?? '?'}`) },
  { pattern: /bad_alloc|Failed to allocate memory/, make: (_, file) => fail('MODEL_LIMIT', { path: file, problem: 'loading it needs more memory', limit: 'what this process may use' }) },
];

/** An error of `InferenceSession.create`, as ours. */
export function loadError(error: unknown, file: string): SlipwayError {
  if (error instanceof SlipwayError) return error;
  const text = error instanceof Error ? error.message : String(error);
  for (const { pattern, make } of RULES) {
    const match = pattern.exec(text);
    if (match !== null) return make(match, file);
  }
  const node = /[Nn]ode ?\(?'?"?([\w./:-]+)/.exec(text)?.[1];
  return fail(
    'MODEL_INVALID',
    { path: file, where: node === undefined ? 'model' : `node "${node}"`, problem: tidy(text) },
    { cause: error },
  );
}

/** An error of `session.run`, as ours. The runner knows no model name: whoever owns it puts one in. */
export function runError(error: unknown): SlipwayError {
  const text = error instanceof Error ? error.message : String(error);
  return fail('INFERENCE_FAILED', { model: '', problem: tidy(text) }, { cause: error });
}

/** ORT's texts without its source paths, C++ signatures and repeated prefixes. */
export function tidy(text: string): string {
  return text
    .replace(/^Load model from .*? failed:/, '')
    .replace(/\/onnxruntime_src\/\S+:\d+ .*?\) (?=[A-Z[])/gs, '')
    .replace(/\[ONNXRuntimeError\] : \d+ : \w+ : /g, '')
    .replace(/\s+/g, ' ')
    .trim();
}
