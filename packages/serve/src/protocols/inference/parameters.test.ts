/** Parameters: reserved names mean what they say, and whatever a client sends is taken or is its mistake. */
import { asSlipwayError, type Signature } from '@slipway/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonParser } from '../../json/parse.ts';
import { jsonParameters, readRequestParameters, regionPart, requestedOutputs } from './parameters.ts';
import { loadRequest } from './repository.ts';
import { traceChanges } from './trace-settings.ts';

const parser = new JsonParser({ nonFinite: false });
const json = (value: unknown) => parser.parse(Buffer.from(JSON.stringify(value)));
const parameters = (value: unknown) => jsonParameters(json(value), 'the request');
const SIGNATURE: Signature = {
  inputs: [{ name: 'x', dtype: 'float32', shape: ['batch'] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: ['batch'] }],
};

it('of a request', () => {
  const all = { priority: 2, timeout: 1500, binary_data_output: true, sequence_id: 7, sequence_end: true, other: 'x' };
  expect(readRequestParameters(parameters(all))).toEqual({
    timeoutMs: null,
    queueTimeoutMs: 1.5,
    priority: 2,
    binaryOutput: true,
  });
  expect(readRequestParameters(parameters({ timeout: 0 }))).toMatchObject({ queueTimeoutMs: null });
  expect(readRequestParameters(parameters({}))).toEqual({ timeoutMs: null, binaryOutput: false });
});

it.each([
  [{ priority: -1 }, 'whole number'],
  [{ timeout: 1.5 }, 'timeout must be a whole number'],
  [{ timeout: '5' }, 'timeout must be a whole number'],
  [{ binary_data_output: 1 }, 'must be true or false'],
  [{ sequence_id: -1 }, 'sequence_id must be a whole number'],
  [{ sequence_start: 'yes' }, 'must be true or false'],
  [{ triton_enable_empty_final_response: 'yes' }, 'must be true or false'],
  [{ triton_other: 1 }, 'reserved'],
  [{ nested: { a: 1 } }, 'must be a boolean, a number or a string'],
  [{ list: [1] }, 'must be a boolean, a number or a string'],
])('refused: %j', (given, problem) => {
  expect(() => readRequestParameters(parameters(given))).toThrow(problem);
});

describe('of outputs', () => {
  const ask = (given: object) => requestedOutputs([{ name: 'y', parameters: parameters(given) }], false, SIGNATURE);
  it('say how each is answered', () => {
    expect(ask({ classification: 3, binary_data: true })).toEqual([
      { name: 'y', binary: true, classes: 3, memory: null },
    ]);
    const region = { shared_memory_region: 'r', shared_memory_byte_size: 8 };
    expect(ask(region)[0]?.memory).toEqual({ region: 'r', offset: 0, byteSize: 8 });
    expect(() => ask({ ...region, classification: 1 })).toThrow('not into shared memory');
    expect(() => ask({ shared_memory_byte_size: 8 })).toThrow('need each other');
    expect(() => ask({ shared_memory_region: 1, shared_memory_byte_size: 8 })).toThrow('must be a string');
  });
});

it('any JSON is taken, or is a mistake of the client', () => {
  const name = fc.constantFrom(
    ...['priority', 'timeout', 'sequence_id', 'classification', 'shared_memory_region', 'shared_memory_byte_size'],
    ...['config', 'file:1/model.onnx', 'file:../x', 'trace_rate', 'triton_x', '__proto__'],
  );
  const value = fc.oneof(fc.jsonValue(), fc.constantFrom(-1, 0, 1, 2 ** 53, '', 'AAAA', '{}', '{"input":[{}]}', null));
  let taken = 0;
  const attempt = (read: () => unknown): void => {
    try {
      read();
      taken++;
    } catch (error) {
      expect(asSlipwayError(error).httpStatus).toBe(400);
    }
  };
  fc.assert(
    fc.property(fc.dictionary(name, value), (given) => {
      const parsed = json(given);
      attempt(() => traceChanges(parsed as Parameters<typeof traceChanges>[0]));
      attempt(() => {
        const read = jsonParameters(parsed, 'the request');
        attempt(() => readRequestParameters(read));
        attempt(() => regionPart(read, 'input "x"'));
        attempt(() => requestedOutputs([{ name: 'y', parameters: read }], true, SIGNATURE));
        attempt(() => loadRequest(read));
      });
    }),
    { numRuns: 1000 },
  );
  expect(taken).toBeGreaterThan(1000);
});
