/**
 * The signatures a client of TensorFlow Serving may name. An ONNX model has one, which TensorFlow calls the default one; what is
 * asked of it (predict, classify, regress) is said by the method. The names that TensorFlow's Estimators gave to the other
 * two are taken as well, so that their clients need not change.
 */
import { fail } from '@slipway/core';

export const SIGNATURE_NAME = 'serving_default';

/** What TensorFlow calls the three ways to ask. */
export type MethodName = 'predict' | 'classify' | 'regress';

const ALIAS: Readonly<Record<MethodName, string>> = {
  predict: 'predict',
  classify: 'classification',
  regress: 'regression',
};

/** The name to answer with. @throws REQUEST_MALFORMED when the model has no such signature */
export function signatureNamed(name: unknown, method: MethodName): string {
  if (name === undefined || name === '') return SIGNATURE_NAME;
  if (name === SIGNATURE_NAME || name === ALIAS[method]) return name;
  if (typeof name !== 'string') {
    throw fail('REQUEST_MALFORMED', { problem: "'signature_name' key must be a string value." });
  }
  const problem = `Serving signature name: ${JSON.stringify(name.slice(0, 100))} not found in signature def; there is "${SIGNATURE_NAME}"`;
  throw fail('REQUEST_MALFORMED', { problem });
}
