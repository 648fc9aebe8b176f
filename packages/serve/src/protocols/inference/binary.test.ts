/** The binary tensor extension against a real server: mixed outputs, raw requests, and every way the lengths can lie. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identityModel, oneWeightModel } from '../../testing/onnx.ts';
import { type Serving, serving } from '../../testing/serving.ts';

const TEXT: unknown = expect.any(String);
let served: Serving;
beforeAll(async () => {
  served = await serving({
    one: oneWeightModel(2),
    pair: identityModel('string', ['batch', 2], 2),
    half: identityModel('float16', ['batch', 2]),
    flags: identityModel('bool', ['batch', 1]),
  });
  await served.server.ready;
});
afterAll(() => served.close());

async function infer(model: string, header: unknown, raw: Uint8Array[], length?: string) {
  const json = typeof header === 'string' ? header : JSON.stringify(header);
  const response = await fetch(`${served.url}/v2/models/${model}/infer`, {
    method: 'POST',
    body: Buffer.concat([Buffer.from(json), ...raw]),
    headers: {
      'Inference-Header-Content-Length': length ?? String(Buffer.byteLength(json)),
      'Content-Type': 'application/octet-stream',
    },
  });
  const body = Buffer.from(await response.arrayBuffer());
  const split = Number(response.headers.get('inference-header-content-length') ?? body.length);
  return {
    status: response.status,
    json: JSON.parse(body.subarray(0, split).toString()) as {
      error?: string;
      code?: string;
      outputs?: Record<string, unknown>[];
    },
    raw: body.subarray(split),
    type: response.headers.get('content-type'),
  };
}

const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
const strings = (...values: string[]): Uint8Array =>
  Buffer.concat(
    values.map((value) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(Buffer.byteLength(value));
      return Buffer.concat([length, Buffer.from(value)]);
    }),
  );
const input = (size: number, shape = [2, 1]) => ({
  name: 'x',
  shape,
  datatype: 'FP32',
  parameters: { binary_data_size: size },
});

describe('binary tensors', () => {
  it('go in and out', async () => {
    const { status, json, raw, type } = await infer(
      'one',
      { inputs: [input(8)], parameters: { binary_data_output: true } },
      [floats(1.5, NaN)],
    );
    expect(status).toBe(200);
    expect(type).toBe('application/octet-stream');
    expect(json.outputs).toEqual([{ name: 'y', shape: [2, 1], datatype: 'FP32', parameters: { binary_data_size: 8 } }]);
    expect([raw.readFloatLE(0), raw.readFloatLE(4)]).toEqual([3, NaN]);
  });

  it('mix with JSON, in both directions', async () => {
    const text = strings('a', 'é✓');
    const { json, raw } = await infer(
      'pair',
      {
        inputs: [
          { name: 'in', shape: [1, 2], datatype: 'BYTES', parameters: { binary_data_size: text.length } },
          { name: 'in2', shape: [1, 2], datatype: 'INT64', data: [7, 8] },
        ],
        outputs: [{ name: 'out2' }, { name: 'out', parameters: { binary_data: true } }],
      },
      [text],
    );
    expect(json.outputs?.[0]).toMatchObject({ name: 'out2', data: [7, 8] });
    expect(raw.equals(text)).toBe(true);
  });

  it('carry FP16 as it is and BF16 into a float32 model', async () => {
    const half = new Uint8Array(Uint16Array.of(0x3c00, 0xc000).buffer);
    const spec = { name: 'in', shape: [1, 2], datatype: 'FP16', parameters: { binary_data_size: 4 } };
    const same = await infer('half', { inputs: [spec], parameters: { binary_data_output: true } }, [half]);
    expect(same.raw).toEqual(Buffer.from(half));
    const brain = new Uint8Array(Uint16Array.of(0x3fc0).buffer);
    const wide = await infer('one', { inputs: [{ ...input(2, [1, 1]), datatype: 'BF16' }] }, [brain]);
    expect(wide.json.outputs?.[0]).toMatchObject({ datatype: 'FP32', data: [3] });
  });

  it('make up the whole body in a raw request', async () => {
    const { status, json, raw } = await infer('one', '', [floats(1, 2, 3)], '0');
    expect(status).toBe(200);
    expect(json.outputs).toMatchObject([{ name: 'y', shape: [3, 1] }]);
    expect(raw).toEqual(Buffer.from(floats(2, 4, 6)));
  });

  it('of large bodies are right however their memory is used again', async () => {
    const rows = 40_000;
    const ask = async (seed: number, pad: string) => {
      const values = Float32Array.from({ length: rows }, (_, i) => i + seed);
      const spec = { ...input(rows * 4, [rows, 1]), pad };
      const answer = await infer('one', { inputs: [spec], parameters: { binary_data_output: true } }, [
        new Uint8Array(values.buffer),
      ]);
      const back = new Float32Array(Uint8Array.from(answer.raw).buffer);
      expect(back.every((value, i) => value === 2 * (i + seed))).toBe(true);
    };
    for (let round = 0; round < 3; round++) {
      await Promise.all([1, 2, 3, 4, 5, 6].map((seed) => ask(seed, '.'.repeat(seed))));
    }
  });

  const header = { inputs: [input(8)] };
  it.each([
    ['a header length past the body', header, [floats(1, 2)], '99999999999', 'is not a length within the body'],
    ['a negative header length', header, [floats(1, 2)], '-1', 'is not a length within the body'],
    ['a header length that is no number', header, [floats(1, 2)], 'NaN', 'is not a length within the body'],
    ['a header length that cuts the JSON', header, [floats(1, 2)], '10', 'invalid JSON'],
    ['a tensor larger than what follows', { inputs: [input(16)] }, [floats(1, 2)], undefined, 'only 8 bytes follow'],
    ['bytes that belong to no tensor', header, [floats(1, 2, 3)], undefined, '4 bytes after the last binary tensor'],
    [
      'a size that does not fit the shape',
      { inputs: [input(4)] },
      [floats(1)],
      undefined,
      'needs 8 bytes, 4 were given',
    ],
    [
      'a shape whose product overflows',
      { inputs: [input(8, [2 ** 40, 2 ** 40])] },
      [floats(1, 2)],
      undefined,
      'more than 2^53',
    ],
    ['a size that is no whole number', { inputs: [input(1.5)] }, [floats(1, 2)], undefined, 'must be a whole number'],
    ['data and a size', { inputs: [{ ...input(8), data: [1, 2] }] }, [floats(1, 2)], undefined, 'both "data" and'],
  ] as const)('refuse %s', async (_, json, raw, length, problem) => {
    const { status, json: answer } = await infer('one', json, [...raw], length);
    expect(status).toBe(400);
    expect(answer).toEqual({ error: TEXT, code: TEXT, request_id: TEXT, hint: TEXT });
    expect(answer.error).toContain(problem);
    expect((await infer('one', { inputs: [input(8)] }, [floats(1, 2)])).status).toBe(200);
  });

  it('refuse strings that lie about their length, and bytes that are no text', async () => {
    const send = async (bytes: Uint8Array) => {
      const spec = { name: 'in', shape: [1, 2], datatype: 'BYTES', parameters: { binary_data_size: bytes.length } };
      const other = { name: 'in2', shape: [1, 2], datatype: 'INT64', data: [7, 8] };
      return (await infer('pair', { inputs: [spec, other] }, [bytes])).json.error;
    };
    expect(await send(Buffer.from([255, 255, 255, 255, 0, 0, 0, 0]))).toContain('goes past the end');
    expect(await send(strings('a'))).toContain('cannot hold 2 BYTES elements');
    expect(await send(strings('a', 'b', 'c'))).toContain('5 bytes are left over');
    expect(await send(Buffer.concat([strings('a'), Buffer.from([1, 0, 0, 0, 0xff])]))).toContain('not UTF-8');
    expect(await send(strings('a\0b', 'c'))).toContain('has a NUL character');
    expect(await send(strings('äb', 'c'))).toBeUndefined();
  });

  it('refuse a BOOL that is neither 0 nor 1', async () => {
    const spec = { name: 'in', shape: [1, 1], datatype: 'BOOL', parameters: { binary_data_size: 1 } };
    expect((await infer('flags', { inputs: [spec] }, [Uint8Array.of(2)])).json.error).toContain('2 is not a BOOL');
    expect((await infer('flags', { inputs: [spec] }, [Uint8Array.of(1)])).json.outputs?.[0]).toMatchObject({
      data: [true],
    });
  });
});
