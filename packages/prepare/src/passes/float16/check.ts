/**
 * Whether a rewritten model is one: types that do not fit are found here with the name of the node, before anything is
 * measured. Our own inference looks at every operator it knows; then ONNX Runtime, which knows them all, loads the result.
 */
import path from 'node:path';
import { fail, type PassName, SlipwayError } from '@slipway/core';
import { describeNode, inferShapes, isTensorType, type Model, type OnnxDType, writeModelFile } from '@slipway/onnx';
import type { PassContext } from '../../pass.ts';

/** @param expected dtypes that values of the main graph must have @throws PASS_NOT_APPLICABLE */
export function checkTypes(
  pass: PassName,
  before: Model,
  after: Model,
  expected: ReadonlyMap<string, OnnxDType>,
): void {
  const known = new Set(inferShapes(before, { useDeclared: false }).unknown.map(({ node }) => describeNode(node)));
  const { unknown, values } = inferShapes(after, { useDeclared: false });
  const wrong = unknown.find(({ node }) => !known.has(describeNode(node)));
  if (wrong !== undefined) {
    throw refusal(pass, `the types of the ${describeNode(wrong.node)} do not fit: ${wrong.reason}; exclude it`);
  }
  for (const [name, dtype] of expected) {
    const type = values.get(name);
    if (!isTensorType(type) || type.dtype === dtype) continue;
    throw refusal(
      pass,
      `the tensor "${name}" is ${type.dtype} and should be ${dtype}; exclude the node that computes it`,
    );
  }
}

/** @throws PASS_NOT_APPLICABLE with what ONNX Runtime says */
export async function checkLoads(pass: PassName, model: Model, context: PassContext): Promise<void> {
  const file = path.join(context.workDirectory, 'check.onnx');
  await writeModelFile(file, model);
  try {
    for await (const _ of context.runModel(file, [])) break;
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof SlipwayError)) throw error;
    throw refusal(pass, `ONNX Runtime does not load the result: ${error.message}; exclude the node it names`, error);
  }
}

function refusal(pass: PassName, problem: string, cause?: unknown): Error {
  return fail('PASS_NOT_APPLICABLE', { pass, problem }, { cause });
}
