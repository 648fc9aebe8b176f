/** What a model file is and what could be done to it, without running it: the data behind `slipway inspect`. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { type Digest, digestOfFile, fromSystemError, isBatchable, type PassName, type Signature } from '@slipway/core';
import {
  byteLengthOf,
  countOf,
  inferShapes,
  isExternal,
  type Model,
  normalise,
  opName,
  assertModel,
  readModelFile,
  signatureOf,
  tensorsOf,
} from '@slipway/onnx';
import type { PassAssessment } from '../pass.ts';
import { PASSES } from '../passes/index.ts';

export interface Inspection {
  readonly path: string;
  readonly digest: Digest;
  /** Of the file; external data comes on top. */
  readonly bytes: number;
  readonly external: { readonly files: readonly string[]; readonly bytes: number };
  readonly irVersion: number;
  /** Version per operator set; the standard one is `ai.onnx`. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: string;
  readonly signature: Signature;
  /** Independent rows can share one call. */
  readonly batchable: boolean;
  readonly nodes: number;
  /** How often each operator occurs, most frequent first. */
  readonly operators: readonly { readonly operator: string; readonly count: number }[];
  readonly parameters: {
    readonly count: number;
    readonly bytes: number;
    readonly byDtype: Readonly<Record<string, number>>;
  };
  /** Nodes whose output shapes do not follow from what the file says, and why. */
  readonly unknownShapes: readonly { readonly operator: string; readonly reason: string }[];
  readonly passes: readonly ({ readonly pass: PassName } & PassAssessment)[];
}

/** @throws FILE_NOT_FOUND, FILE_UNREADABLE, MODEL_FORMAT, MODEL_INVALID, MODEL_LIMIT */
export async function inspectModel(file: string): Promise<Inspection> {
  const absolute = path.resolve(file);
  const model = await readModelFile(absolute);
  assertModel(model, absolute);
  try {
    const { size } = await stat(absolute);
    return { ...describe(absolute, model), digest: await digestOfFile(absolute), bytes: size };
  } catch (error) {
    throw fromSystemError(error, absolute, 'reading');
  }
}

function describe(file: string, model: Model): Omit<Inspection, 'digest' | 'bytes'> {
  const signature = signatureOf(model, file);
  const tensors = tensorsOf(model.graph).map(({ tensor }) => tensor);
  const external = tensors.filter(isExternal);
  const byDtype: Record<string, number> = {};
  for (const tensor of tensors) byDtype[tensor.dtype] = (byDtype[tensor.dtype] ?? 0) + countOf(tensor);
  const counts = new Map<string, number>();
  for (const node of model.graph.nodes) counts.set(opName(node), (counts.get(opName(node)) ?? 0) + 1);
  const { name, version } = model.producer;
  return {
    path: file,
    external: {
      files: [...new Set(external.map((tensor) => tensor.data.location))].sort(),
      bytes: external.reduce((sum, tensor) => sum + byteLengthOf(tensor), 0),
    },
    irVersion: model.irVersion,
    opsets: Object.fromEntries([...model.opsets].map(([domain, opset]) => [domain === '' ? 'ai.onnx' : domain, opset])),
    producer: [name, version].filter((part) => part !== '').join(' '),
    signature,
    batchable: isBatchable(signature),
    nodes: model.graph.nodes.length,
    operators: [...counts].map(([operator, count]) => ({ operator, count })).sort((a, b) => b.count - a.count),
    parameters: {
      count: tensors.reduce((sum, tensor) => sum + countOf(tensor), 0),
      bytes: tensors.reduce((sum, tensor) => sum + byteLengthOf(tensor), 0),
      byDtype,
    },
    unknownShapes: inferShapes(model).unknown.map(({ node, reason }) => ({ operator: opName(node), reason })),
    passes: assessPasses(model, file),
  };
}

/** What every pass could do, on the form of the model that passes are given. */
function assessPasses(model: Model, file: string): Inspection['passes'] {
  const normal = normalise(model, { path: file });
  return (Object.keys(PASSES) as PassName[]).map((pass) => ({ pass, ...PASSES[pass].assess(normal) }));
}
