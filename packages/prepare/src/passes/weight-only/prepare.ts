/** The model as this pass works on it: constants are initializers in every graph, and the operator set can hold the codes. */
import { fail, hasCode, type PassName } from '@slipway/core';
import {
  describeNode,
  dropInitializerInputs,
  editGraphs,
  type GraphEditor,
  type Keep,
  mapGraphs,
  type Model,
  opsetOf,
  upgradeOpset,
} from '@slipway/onnx';
import { foldConstants, type Origins } from '../fold.ts';
import type { Settings } from './settings.ts';

export interface PreparedModel {
  readonly model: Model;
  readonly origins: Origins;
  /** The operator set the model was raised from, or null. */
  readonly raisedFrom: number | null;
  readonly raisedTo: number;
}

/** The first with scales per block, and with tensors of 4 bits. */
const BLOCKED_OPSET = 21;
/** The first with tensors of 2 bits. */
const TWO_BITS_OPSET = 25;

/**
 * @param keep where large constants go that are made on the way
 * @throws PASS_NOT_APPLICABLE when the format needs a newer operator set than the model can be raised to
 */
export function prepareModel(pass: PassName, model: Model, { format, twoBits }: Settings, keep?: Keep): PreparedModel {
  const origins = new Map<string, readonly string[]>();
  const edit = (editor: GraphEditor): void => {
    for (const [name, from] of foldConstants(editor)) origins.set(name, from);
  };
  const folded = editGraphs(dropInitializerInputs(model), edit, { keep });
  const before = opsetOf(folded);
  if (format === 'matmulnbits') return { model: folded, origins, raisedFrom: null, raisedTo: before };
  const target = twoBits ? TWO_BITS_OPSET : BLOCKED_OPSET;
  try {
    const raised = upgradeOpset(folded, target);
    if (before < KERNELS_END && target >= KERNELS_END) refuseWithoutKernel(pass, raised, before, target);
    return { model: raised, origins, raisedFrom: before < target ? before : null, raisedTo: target };
  } catch (error) {
    if (!hasCode(error, 'UNSUPPORTED_OPERATOR') && !hasCode(error, 'UNSUPPORTED_OPSET')) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const problem = `the format "dequantize" needs operator set ${target}${twoBits ? ' for 2 bits' : ''}, and the model is in ${before}: ${reason}; use the format "matmulnbits", which needs none`;
    throw fail('PASS_NOT_APPLICABLE', { pass, problem }, { cause: error });
  }
}

/** From this operator set on, these exist in a version that ONNX Runtime 1.30 has no kernel for; older ones it runs. */
const KERNELS_END = 22;
const WITHOUT_KERNEL: ReadonlySet<string> = new Set([
  'Bernoulli',
  'GlobalLpPool',
  'MaxRoiPool',
  'Multinomial',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'RoiAlign',
]);

function refuseWithoutKernel(pass: PassName, model: Model, before: number, target: number): void {
  mapGraphs(model, (graph) => {
    const node = graph.nodes.find(({ op, domain }) => domain === '' && WITHOUT_KERNEL.has(op));
    if (node === undefined) return graph;
    const problem = `the format "dequantize" needs operator set ${target} for 2 bits, in which ONNX Runtime cannot run ${describeNode(node)} (it can in ${before}); use the format "matmulnbits", which needs no newer one`;
    throw fail('PASS_NOT_APPLICABLE', { pass, problem });
  });
}
