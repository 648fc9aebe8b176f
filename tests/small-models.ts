/** The models that tests of a whole server need: small, quick to load, and checkable by eye. */
import type { DType } from '@slipway/core';
import { buildModel, encodeModel } from '@slipway/onnx';

/** y = factor · x, float32 [batch, 1]. */
export function scalingModel(factor: number): Uint8Array {
  return encodeModel(
    buildModel((b) => {
      b.op('Mul', [b.input('x', 'float32', ['batch', 1]), b.floats('w', [1], [factor])], { outputs: ['y'] });
      b.output('y', 'float32', ['batch', 1]);
    }),
  );
}

/** Every output is the input of the same place: `in` → `out`, `in2` → `out2`, …; [batch, 2]. */
export function identityModel(...dtypes: DType[]): Uint8Array {
  return encodeModel(
    buildModel((b) => {
      dtypes.forEach((dtype, index) => {
        const suffix = index === 0 ? '' : String(index + 1);
        const input = b.input(`in${suffix}`, dtype, ['batch', 2]);
        b.op('Identity', [input], { outputs: [`out${suffix}`] });
        b.output(`out${suffix}`, dtype, ['batch', 2]);
      });
    }),
  );
}
