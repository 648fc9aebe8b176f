import { type Tensors, tensor } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { decodeBinary, encodeBinary } from './oip.ts';

const inputs: Tensors = {
  x: tensor('float32', [2, 2], new Float32Array([1, -2.5, 3, Number.NaN])),
  n: tensor('int64', [2], new BigInt64Array([-1n, 2n ** 60n])),
  s: tensor('string', [3], ['', 'a', 'déjà vu']),
  h: tensor('float16', [1], new Uint16Array([0x3c00])),
};

/** A server that answers with what it was asked. */
function echo({ headers, body }: ReturnType<typeof encodeBinary>): { length: string; body: Buffer } {
  const length = Number(headers['inference-header-content-length']);
  const request = JSON.parse(body.toString('utf8', 0, length)) as { inputs: unknown };
  const json = Buffer.from(JSON.stringify({ model_name: 'm', outputs: request.inputs }));
  return { length: String(json.length), body: Buffer.concat([json, body.subarray(length)]) };
}

describe('binary tensors', () => {
  it('survive the way there and back', () => {
    const { length, body } = echo(encodeBinary(inputs));
    expect(decodeBinary(length, body)).toEqual(inputs);
  });

  it('are laid out as the extension says', () => {
    const { headers, body } = encodeBinary({ s: tensor('string', [1], ['ab']) });
    const length = Number(headers['inference-header-content-length']);
    expect(JSON.parse(body.toString('utf8', 0, length))).toEqual({
      inputs: [{ name: 's', shape: [1], datatype: 'BYTES', parameters: { binary_data_size: 6 } }],
      parameters: { binary_data_output: true },
    });
    expect([...body.subarray(length)]).toEqual([2, 0, 0, 0, 97, 98]);
  });

  it('that are cut off are refused', () => {
    const { length, body } = echo(encodeBinary(inputs));
    expect(() => decodeBinary(length, body.subarray(0, -1))).toThrow(
      expect.objectContaining({ code: 'REQUEST_MALFORMED' }),
    );
    const text = echo(encodeBinary({ s: tensor('string', [2], ['ab', 'c']) }));
    const lying = Buffer.from(text.body);
    lying.writeUInt32LE(1000, Number(text.length));
    expect(() => decodeBinary(text.length, lying)).toThrow(expect.objectContaining({ code: 'REQUEST_MALFORMED' }));
  });
});
