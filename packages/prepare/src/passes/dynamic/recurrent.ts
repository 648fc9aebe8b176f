/**
 * LSTM and Attention with 8-bit weights, as operators of ONNX Runtime's own that quantize what they read themselves, or
 * take it quantized:
 *
 *     DynamicQuantizeLSTM(x, wq, rq, b, lens, h0, c0, p, ws, wz, rs, rz)      wq [directions, inputs, 4 · hidden]
 *     QAttention(xq, wq, bias, xs, ws, mask, xz, wz, past)                     wq [inputs, 3 · hidden]
 */
import { type Initializer, MS_DOMAIN } from '@slipway/onnx';
import { quantizeArray, type QuantizedTensor } from '../affine.ts';
import { store, storeIntegers, storeQuantized, type StoredConstant, transposed } from '../constants.ts';
import { readFinite } from '../weights.ts';
import type { WeightOptions } from './emit.ts';
import type { Target } from './plan.ts';
import type { Scope } from './scope.ts';

export function emitLstm(scope: Scope, { node, weights }: Target, options: WeightOptions): void {
  const [w, r] = weights.map((weight) =>
    scope.once(weight.name, 'lstm', (owner) => {
      const { data, scales, zeroPoints, perDirection } = lstmWeight(weight, options);
      const [directions = 1, gates = 0, inputs = 0] = weight.dims;
      const shape = options.perChannel ? [directions, perDirection] : [directions];
      return {
        quantized: storeIntegers(owner, `${weight.name}_quantized`, 'int8', [directions, inputs, gates], data),
        scale: store(owner, `${weight.name}_scale`, { dtype: 'float32', shape, data: scales }),
        zeroPoint: storeIntegers(owner, `${weight.name}_zero_point`, 'int8', shape, zeroPoints),
        axis: null,
      };
    }),
  );
  if (w === undefined || r === undefined) return;
  const [x = '', , , ...rest] = node.inputs;
  const others = Array.from({ length: 5 }, (_, at) => rest[at] ?? '');
  scope.editor.update(node, {
    op: 'DynamicQuantizeLSTM',
    domain: MS_DOMAIN,
    inputs: [x, w.quantized, r.quantized, ...others, w.scale, w.zeroPoint, r.scale, r.zeroPoint],
  });
}

/** [directions, gates, inputs] → [directions, inputs, gates], each direction with scales of its own. */
function lstmWeight(weight: Initializer, { perChannel, reduceRange }: WeightOptions) {
  const [directions = 1, gates = 0, inputs = 0] = weight.dims;
  const values = readFinite('quantize.dynamic', weight);
  const size = gates * inputs;
  const perDirection = perChannel ? gates : 1;
  const data = new Int8Array(values.length);
  const scales = new Float32Array(directions * perDirection);
  for (let direction = 0; direction < directions; direction++) {
    const turned = transposed(values.subarray(direction * size, (direction + 1) * size), gates, inputs);
    const one: QuantizedTensor = quantizeArray(turned, [inputs, gates], perChannel ? 1 : null, 'int8', { reduceRange });
    data.set(one.data, direction * size);
    scales.set(one.scales, direction * perDirection);
  }
  return { data, scales, zeroPoints: new Int8Array(scales.length), perDirection };
}

export function emitAttention(scope: Scope, target: Target, { perChannel, reduceRange }: WeightOptions): void {
  const { node, dims } = target;
  const base = target.weights[0]?.name ?? '';
  const weight: StoredConstant = scope.once(base, 'attention', (owner) => {
    const values = target.values('quantize.dynamic');
    return storeQuantized(
      owner,
      base,
      dims,
      quantizeArray(values, dims, perChannel ? 1 : null, 'int8', { reduceRange }),
    );
  });
  const [input = '', , bias = '', mask = '', past = ''] = node.inputs;
  const x = scope.quantizeActivation(input, node);
  const inputs = [
    x.quantized,
    weight.quantized,
    bias,
    x.scale,
    weight.scale,
    mask,
    x.zeroPoint,
    weight.zeroPoint,
    past,
  ];
  while (inputs.at(-1) === '') inputs.pop();
  scope.editor.update(node, { op: 'QAttention', inputs });
}
