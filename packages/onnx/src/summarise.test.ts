import { describe, expect, it } from 'vitest';
import { buildModel } from './build/builder.ts';
import { mlpModel, oneWeightModel } from './build/models.ts';
import { decodeModel, encodeModel } from './codec/decode.ts';
import { createInitializer } from './ir/initializer.ts';
import { createModel } from './ir/model.ts';
import { createGraph } from './ir/graph.ts';
import { createValueInfo } from './ir/value-info.ts';
import { signatureOf } from './signature-of.ts';
import { summarise, zeroShare } from './summarise.ts';
import { sharedModel, sharedModelsExist } from './testing/shared-models.ts';

describe('summarise', () => {
  it('describes an MLP', () => {
    expect(summarise(mlpModel({ layers: [4, 3, 2] }), { largest: 2 })).toEqual({
      irVersion: 8,
      opsets: { 'ai.onnx': 17 },
      producer: { name: 'slipway', version: '' },
      metadata: {},
      graph: 'mlp',
      signature: {
        inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 4] }],
        outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', 2] }],
      },
      io: { inputs: { x: 'float32[batch, 4]' }, outputs: { y: 'float32[batch, 2]' } },
      nodes: 3,
      operators: { Gemm: 2, Relu: 1 },
      subgraphs: 0,
      functions: 0,
      initializers: 4,
      parameters: 23,
      bytes: 92,
      byDType: { float32: { parameters: 23, bytes: 92 } },
      externalFiles: [],
      largest: [
        { name: 'w0', dtype: 'float32', dims: [4, 3], elements: 12, bytes: 48, zeros: 0 },
        { name: 'w1', dtype: 'float32', dims: [3, 2], elements: 6, bytes: 24, zeros: 0 },
      ],
    });
  });

  it.skipIf(!sharedModelsExist)('leaves constants out of the signature of an IR 3 model (needs ../shared/data)', () => {
    const summary = summarise(decodeModel(sharedModel('mnist/mnist.onnx')));
    expect(summary.io.inputs).toEqual({ Input3: 'float32[1, 1, 28, 28]' });
    expect(summary.parameters).toBe(5998);
  });
});

describe('zeroShare', () => {
  it('counts 0 and -0, in any numeric type', () => {
    const floats = new Uint8Array(Float32Array.of(0, -0, 1, 1e-45).buffer);
    expect(zeroShare(createInitializer('w', 'float32', [4], floats))).toBe(0.5);
    expect(zeroShare(createInitializer('w', 'int8', [4], Uint8Array.of(0, 0x80, 1, 0)))).toBe(0.5);
    expect(zeroShare(createInitializer('w', 'float16', [2], Uint8Array.of(0, 0x80, 0x80, 0)))).toBe(0.5);
    expect(
      zeroShare(createInitializer('w', 'float32', [2], { kind: 'field', field: 'floatData', values: [0, 3] })),
    ).toBe(0.5);
    expect(zeroShare(createInitializer('w', 'int4', [2], Uint8Array.of(0)))).toBeNull();
    expect(zeroShare(createInitializer('w', 'float32', [0], new Uint8Array()))).toBeNull();
  });
});

describe('signatureOf', () => {
  it('keeps symbols and marks what is not known', () => {
    const model = buildModel((b) => {
      b.input('x', 'int64', ['batch', '?', 3]);
      b.op('Identity', ['x'], { outputs: ['y'] });
      b.output('y', 'int64', null);
    });
    expect(signatureOf(decodeModel(encodeModel(model)))).toEqual({
      inputs: [{ name: 'x', dtype: 'int64', shape: ['batch', '?', 3] }],
      outputs: [{ name: 'y', dtype: 'int64', shape: null }],
    });
  });

  it('names the input or output that cannot be sent', () => {
    const bfloat = buildModel((b) => b.input('x', 'bfloat16', [1]));
    expect(() => signatureOf(bfloat, 'm.onnx')).toThrow(
      'm.onnx: input "x": is bfloat16[1], which cannot be sent or received',
    );
    const sequence = createModel({
      graph: createGraph({ outputs: [createValueInfo('s', { kind: 'sequence', element: null })] }),
    });
    expect(() => signatureOf(sequence)).toThrow(/output "s": is sequence\(unknown\)/);
    expect(summarise(sequence).signature).toBeNull();
  });
});

describe('test models', () => {
  it('are the same every time', () => {
    expect(Buffer.compare(encodeModel(mlpModel({ seed: 7 })), encodeModel(mlpModel({ seed: 7 })))).toBe(0);
    expect(Buffer.compare(encodeModel(mlpModel({ seed: 7 })), encodeModel(mlpModel({ seed: 8 })))).not.toBe(0);
    expect(summarise(oneWeightModel()).parameters).toBe(1);
  });
});
