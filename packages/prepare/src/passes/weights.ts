/** Reading the elements of constants that passes compute with. */
import { fail, type PassName } from '@slipway/core';
import { floatsOf, type Initializer, loadInitializer, toTensor } from '@slipway/onnx';
import { allFinite } from './loops.ts';

/** The elements of a float initializer as float32, read from its file if it has its own. */
export function readFloat32(initializer: Initializer): Float32Array {
  return floatsOf(loadInitializer(initializer));
}

/**
 * The same, of a constant that is to be quantized: values that are not finite have no place on any scale.
 * @throws PASS_NOT_APPLICABLE naming the constant
 */
export function readFinite(pass: PassName, initializer: Initializer): Float32Array {
  const values = readFloat32(initializer);
  if (allFinite(values)) return values;
  const problem = `the constant "${initializer.name}" has values that are not finite; exclude it, or repair the model`;
  throw fail('PASS_NOT_APPLICABLE', { pass, problem });
}

export type Floats = Float32Array | Float64Array;

/** The elements of a float16, float32 or float64 initializer, exactly; shared with the model where possible. */
export function readFloats(initializer: Initializer): Floats {
  const loaded = loadInitializer(initializer);
  return loaded.dtype === 'float64' ? (toTensor(loaded).data as Float64Array) : floatsOf(loaded);
}
