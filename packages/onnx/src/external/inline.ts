/** Puts external elements back into the model, for models that fit. */
import { fail, LIMITS } from '@slipway/core';
import { mapTensors, tensorsOf } from '../graph/tensors.ts';
import { byteLengthOf } from '../ir/elements.ts';
import { type Initializer, isExternal } from '../ir/initializer.ts';
import { type Model, withModel } from '../ir/model.ts';
import type { ExternalOptions } from './files.ts';
import { loadInitializer } from './load.ts';

/** Bytes of all constants, wherever they are. */
export function constantBytes(model: Model): number {
  return tensorsOf(model.graph).reduce((sum, { tensor }) => sum + byteLengthOf(tensor), 0);
}

/**
 * The model with all its elements in memory.
 * @throws MODEL_LIMIT when they exceed what a model file can hold, EXTERNAL_DATA
 */
export function inlineExternalData(model: Model, options: ExternalOptions = {}): Model {
  const total = constantBytes(model);
  if (total > LIMITS.maxProtobufBytes) {
    const problem = `its weights have ${total} bytes, which one file cannot hold`;
    throw fail('MODEL_LIMIT', { path: 'model', problem, limit: LIMITS.maxProtobufBytes });
  }
  const loaded = new Map<Initializer, Initializer>();
  const load = (tensor: Initializer): Initializer => {
    if (!isExternal(tensor)) return tensor;
    const known = loaded.get(tensor);
    if (known !== undefined) return known;
    const result = loadInitializer(tensor, options);
    loaded.set(tensor, result);
    return result;
  };
  const graph = mapTensors(model.graph, load);
  return graph === model.graph ? model : withModel(model, { graph });
}
