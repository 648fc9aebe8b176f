/** Fuzz of the request decoder: whatever is sent is a request, or the client's mistake; never a defect of ours. */
import { asSlipwayError, type DType, DTYPES, OIP_DATATYPE, type Signature } from '@slipway/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtoWriter } from '../../grpc/writer.ts';
import { readInferMessage, readInputs } from './infer-message.ts';
import { readRequestParameters, requestedOutputs } from './parameters.ts';
import { SharedMemory } from './shared-memory.ts';

const SIGNATURE: Signature = {
  inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 1] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', 1] }],
};

const parameter = new ProtoWriter().string(1, 'timeout').message(2, new ProtoWriter().int(2, 5000));
const request = (contents: ProtoWriter | null, datatype = 'FP32', raw: Uint8Array | null = null): Buffer => {
  const input = new ProtoWriter().string(1, 'x').string(2, datatype).packed(3, [2, 1]).message(4, parameter);
  if (contents !== null) input.message(5, contents);
  const writer = new ProtoWriter()
    .string(1, 'm')
    .string(2, '1')
    .string(3, 'id')
    .message(4, parameter)
    .message(5, input);
  writer.message(6, new ProtoWriter().string(1, 'y'));
  return (raw === null ? writer : writer.bytes(7, raw)).finish(0);
};

const memory = new SharedMemory({ allowed: false, maxBytes: 0 });
const decode = (bytes: Buffer) => {
  const message = readInferMessage(bytes);
  const terms = readRequestParameters(message.parameters);
  return {
    message,
    terms,
    inputs: readInputs(message, memory),
    outputs: requestedOutputs(message.outputs, false, SIGNATURE),
  };
};

it('reads every part of a request', () => {
  const floats = Float32Array.of(1.5, -2);
  const { message, terms, inputs, outputs } = decode(request(null, 'FP32', new Uint8Array(floats.buffer)));
  expect(message).toMatchObject({ model: 'm', version: '1', id: 'id' });
  expect(terms).toEqual({ timeoutMs: null, queueTimeoutMs: 5, binaryOutput: false });
  expect(inputs).toEqual({ x: { dtype: 'float32', shape: [2, 1], data: floats } });
  expect(outputs).toMatchObject([{ name: 'y', classes: 0, memory: null }]);
});

it('does not copy a raw tensor', () => {
  const bytes = Buffer.from(new Uint8Array(4096).buffer);
  request(null, 'UINT8', new Uint8Array(2)).copy(bytes);
  const { inputs } = decode(bytes.subarray(0, request(null, 'UINT8', new Uint8Array(2)).length));
  expect((inputs.x?.data as Uint8Array).buffer).toBe(bytes.buffer);
});

describe('typed contents', () => {
  const fields: Readonly<Partial<Record<DType, ProtoWriter>>> = {
    bool: new ProtoWriter().packed(1, [1, 0]),
    int8: new ProtoWriter().packed(2, [-128, 127]),
    int16: new ProtoWriter().packed(2, [-32768, 32767]),
    int32: new ProtoWriter().packed(2, [-(2 ** 31), 2 ** 31 - 1]),
    int64: new ProtoWriter().packed64(3, [-(2n ** 63n), 2n ** 63n - 1n]),
    uint8: new ProtoWriter().packed(4, [0, 255]),
    uint16: new ProtoWriter().packed(4, [0, 65535]),
    uint32: new ProtoWriter().packed(4, [0, 2 ** 32 - 1]),
    uint64: new ProtoWriter().packed64(5, [0n, 2n ** 64n - 1n]),
    float32: new ProtoWriter().bytes(6, new Uint8Array(Float32Array.of(0.5, -0).buffer)),
    float64: new ProtoWriter().bytes(7, new Uint8Array(Float64Array.of(1e300, -0).buffer)),
    string: new ProtoWriter().string(8, 'é').string(8, ''),
  };
  const values: Readonly<Partial<Record<DType, readonly unknown[]>>> = {
    bool: [1, 0],
    int8: [-128, 127],
    int16: [-32768, 32767],
    int32: [-(2 ** 31), 2 ** 31 - 1],
    int64: [-(2n ** 63n), 2n ** 63n - 1n],
    uint8: [0, 255],
    uint16: [0, 65535],
    uint32: [0, 2 ** 32 - 1],
    uint64: [0n, 2n ** 64n - 1n],
    float32: [0.5, -0],
    float64: [1e300, -0],
    string: ['é', ''],
  };
  it.each(DTYPES.filter((dtype) => dtype !== 'float16'))('of %s are read to their limits', (dtype) => {
    const { inputs } = decode(request(fields[dtype] ?? null, OIP_DATATYPE[dtype]));
    expect(inputs.x?.dtype).toBe(dtype);
    expect([...(inputs.x?.data as Iterable<unknown>)]).toEqual(values[dtype]);
  });

  it.each([
    ['FP16', new ProtoWriter().packed(2, [1, 2]), 'FP16 has no typed contents'],
    ['BF16', new ProtoWriter().packed(2, [1, 2]), 'BF16 has no typed contents'],
    ['FP32', new ProtoWriter().packed(2, [1, 2]), 'the contents are not those of FP32'],
    ['UINT8', new ProtoWriter().packed(4, [1, 256]), 'element 1 is 256, which does not fit uint8 (0 to 255)'],
    ['INT32', new ProtoWriter().packed(2, [1, 2 ** 31]), 'does not fit int32'],
    ['INT64', new ProtoWriter().packed(3, [1]), 'shape [2, 1] needs 2 elements, 1 were given'],
    ['BYTES', new ProtoWriter().string(8, 'a').string(8, 'b').string(8, 'c'), 'needs 2 elements, 3 were given'],
  ])('of %s are refused when they do not fit', (datatype, contents, problem) => {
    expect(() => decode(request(contents, datatype))).toThrow(problem);
  });
});

it('more of anything than a request can have is refused', () => {
  const many = new ProtoWriter();
  for (let i = 0; i < 5000; i++) many.message(5, new ProtoWriter());
  expect(() => decode(many.finish(0))).toThrow('more than 4096 inputs');
});

it('a mutated request is a request or a mistake of the client', () => {
  const seeds = [
    request(null, 'FP32', new Uint8Array(8)),
    request(new ProtoWriter().packed(2, [1, -2]), 'INT32'),
    request(new ProtoWriter().string(8, 'a').string(8, 'b'), 'BYTES'),
  ];
  const change = fc.record({ at: fc.nat(), to: fc.nat(255), cut: fc.boolean() });
  let accepted = 0;
  fc.assert(
    fc.property(fc.constantFrom(...seeds), fc.array(change, { maxLength: 4 }), (seed, changes) => {
      let bytes = Buffer.from(seed);
      for (const { at, to, cut } of changes) {
        if (bytes.length === 0) break;
        bytes[at % bytes.length] = to;
        if (cut) bytes = bytes.subarray(0, at % bytes.length);
      }
      try {
        decode(bytes);
        accepted++;
      } catch (error) {
        expect(asSlipwayError(error).definition.grpc).toMatch(
          /^(?:INVALID_ARGUMENT|PERMISSION_DENIED|RESOURCE_EXHAUSTED)$/,
        );
      }
    }),
    { numRuns: 3000 },
  );
  expect(accepted).toBeGreaterThan(100);
});
