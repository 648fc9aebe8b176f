/** Checks constants: dims, element type, and that there are as many bytes as they ask for. */
import { closeSync } from 'node:fs';
import { LIMITS, SlipwayError } from '@slipway/core';
import { type ExternalOptions, openExternal } from '../external/files.ts';
import { ONNX_DTYPES } from '../ir/dtype.ts';
import { countOf, fieldLength, fieldOf } from '../ir/elements.ts';
import { type Initializer, isExternal, rawLength } from '../ir/initializer.ts';
import type { Report } from './problem.ts';

/**
 * @param directory where external data must be; null: it is not looked for
 */
export function checkTensor(
  tensor: Initializer,
  where: string,
  directory: string | null,
  options: ExternalOptions,
  report: Report,
): void {
  const invalid = (problem: string): void => report({ where, problem, kind: 'invalid' });
  const { dims, dtype, data } = tensor;
  if (dtype === 'undefined') {
    invalid('has no element type');
    return;
  }
  if (dims.length > LIMITS.maxRank) {
    invalid(`has rank ${dims.length}, more than ${LIMITS.maxRank}`);
    return;
  }
  if (dims.some((dim) => dim < 0)) {
    invalid(`has the dims [${dims.join(', ')}]; a constant cannot have a negative dimension`);
    return;
  }
  const shown = `${dtype}[${dims.join(', ')}]`;
  let count: number;
  try {
    count = countOf(tensor);
  } catch {
    invalid(`has the dims [${dims.join(', ')}], more than 2^53 elements`);
    return;
  }
  switch (data.kind) {
    case 'raw': {
      const { bits } = ONNX_DTYPES[dtype];
      if (bits === 0) {
        invalid(`stores ${dtype} elements as raw data, which the format does not allow`);
        return;
      }
      const expected = bits < 8 ? Math.ceil((count * bits) / 8) : (count * bits) / 8;
      if (rawLength(data) !== expected) {
        invalid(`holds ${rawLength(data)} bytes, ${shown} needs ${expected}`);
      }
      return;
    }
    case 'strings':
      if (dtype !== 'string') invalid(`stores ${dtype} elements as strings`);
      else if (data.values.length !== count) invalid(`holds ${data.values.length} strings, ${shown} needs ${count}`);
      return;
    case 'field': {
      const field = fieldOf(dtype);
      const expected = fieldLength(dtype, count);
      if (data.values.length !== expected) {
        invalid(`holds ${data.values.length} elements in ${data.field}, ${shown} needs ${expected}`);
      } else if (expected > 0 && field !== data.field) {
        invalid(`stores ${dtype} elements in ${data.field}, expected ${field ?? 'strings'}`);
      }
      return;
    }
    case 'external':
      if (directory === null || !isExternal(tensor)) return;
      try {
        closeSync(openExternal(tensor, directory, options).descriptor);
      } catch (error) {
        if (!(error instanceof SlipwayError)) throw error;
        const problem = `external data ${String(error.params['problem'] ?? error.message)}`;
        report({ where, problem, kind: 'external' });
      }
  }
}
