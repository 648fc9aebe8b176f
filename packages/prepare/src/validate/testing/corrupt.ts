/** Models that are wrong at one place, known to the test. */
import { floatsOf, initializerOf, type Model, withModel } from '@slipway/onnx';

/** `model` with every element of a float32 initializer changed. */
export function withWeight(model: Model, name: string, change: (value: number, index: number) => number): Model {
  const old = model.graph.initializers.get(name);
  if (old === undefined) throw new Error(`there is no initializer "${name}"`);
  const data = Float32Array.from(floatsOf(old), change);
  const initializers = new Map(model.graph.initializers);
  initializers.set(name, initializerOf(name, { dtype: 'float32', shape: old.dims, data }));
  return withModel(model, { graph: Object.freeze({ ...model.graph, initializers }) });
}
