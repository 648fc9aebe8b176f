/**
 * Releases with transforms through a real server: what clients send and get on every protocol, what bad input is told, and that
 * nobody else notices it.
 */
import { createLogger, type Signature, transform } from '@slipway/core';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProtoReader } from '../grpc/reader.ts';
import { ProtoWriter } from '../grpc/writer.ts';
import { type RunningServer, startServer } from '../server.ts';
import { call, grpcConnect } from '../testing/grpc-client.ts';
import { scoresModel } from '../testing/onnx.ts';
import { writeRelease } from '../testing/release.ts';

/** Ids are lines: [PAD] 0, a 4, b 5, c 6. */
const VOCABULARY = '[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\n';
const LABELS = ['first', 'second', 'third', 'fourth'];
const signatureOf = (dtype: 'int64' | 'uint8', row: number[], scores: number): Signature => ({
  inputs: [{ name: 'in', dtype, shape: ['batch', ...row] }],
  outputs: [{ name: 'scores', dtype: 'float32', shape: ['batch', scores] }],
});
const tokenize = transform.tokenize({ from: 'text', tokenizer: 'vocab.txt', ids: 'in', maxLength: 4, padding: 'max' });

let root: string;
let server: RunningServer;

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'slipway-transforms-'));
  // The label is the place of the largest id: of "[CLS] b [SEP] [PAD]" the second.
  const text = await writeRelease(path.join(root, 'text'), scoresModel('int64', [4]), {
    name: 'text',
    signature: signatureOf('int64', [4], 4),
    labels: LABELS,
    files: { 'vocab.txt': VOCABULARY },
    transforms: { inputs: [tokenize], outputs: [transform.classify({ from: 'scores' })] },
  });
  // The label is the brightest channel of the first of four pixels.
  const image = await writeRelease(path.join(root, 'image'), scoresModel('uint8', [2, 2, 3]), {
    name: 'image',
    signature: signatureOf('uint8', [2, 2, 3], 12),
    transforms: {
      inputs: [transform.decodeImage({ from: 'photo', to: 'in' }), transform.resize({ from: 'in', size: [2, 2] })],
      outputs: [transform.classify({ from: 'scores', top: 2 })],
    },
  });
  const broken = await writeRelease(path.join(root, 'broken'), scoresModel('int64', [4]), {
    name: 'broken',
    signature: signatureOf('int64', [4], 4),
    files: { 'vocab.txt': 'a\nb\n' },
    transforms: { inputs: [tokenize] },
  });
  const models = Object.entries({ text, image, broken }).map(([name, at]) => ({ name, path: at }));
  const logger = createLogger('silent');
  server = await startServer({ models, restPort: 0, grpcPort: 0, adminPort: 0, threads: 1, logger });
  await server.ready;
});
afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true, force: true });
});

async function post(
  at: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; answer: unknown }> {
  const sent = body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body);
  const response = await fetch(server.rest.url + at, { method: 'POST', body: sent, headers });
  return { status: response.status, answer: await response.json() };
}

/** A PNG of one colour; `claims` is what its header says of its size. */
function png(color: readonly [number, number, number], size = 2, claims = size): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(claims, 0);
  header.writeUInt32BE(claims, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const row = Buffer.from([0, ...Array.from({ length: size }, () => color).flat()]);
  const pixels = deflateSync(Buffer.concat(Array.from({ length: size }, () => row)));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', pixels), chunk('IEND', Buffer.alloc(0))]);
}

const GREEN = png([0, 9, 0]);
const lengthPrefixed = (bytes: Buffer): Buffer => {
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32LE(bytes.length);
  return Buffer.concat([prefix, bytes]);
};

describe('text in, a label out', () => {
  it('on TensorFlow Serving, by rows and by columns', async () => {
    const rows = await post('/v1/models/text:predict', { instances: [{ text: 'b' }, { text: 'A, c!' }, { text: '' }] });
    expect(rows.answer).toEqual({
      predictions: [
        { label: 'second', score: 5 },
        { label: 'second', score: 4 },
        { label: 'second', score: 3 },
      ],
    });
    const bare = await post('/v1/models/text:predict', { instances: ['a b'] });
    expect(bare.answer).toEqual({ predictions: [{ label: 'third', score: 5 }] });
    const columns = await post('/v1/models/text:predict', { inputs: { text: ['c', { b64: 'Yw==' }] } });
    expect(columns.answer).toEqual({ outputs: { label: ['second', 'second'], score: [6, 6] } });
  });

  it('on the Open Inference Protocol, as JSON and as BYTES', async () => {
    const input = { name: 'text', datatype: 'BYTES', shape: [2] };
    const json = await post('/v2/models/text/infer', { inputs: [{ ...input, data: ['b', 'a c'] }] });
    expect(json.answer).toMatchObject({
      outputs: [
        { name: 'label', datatype: 'BYTES', shape: [2], data: ['second', 'third'] },
        { name: 'score', datatype: 'FP32', shape: [2], data: [5, 6] },
      ],
    });
    const raw = Buffer.concat(['b', 'a c'].map((each) => lengthPrefixed(Buffer.from(each))));
    const head = Buffer.from(JSON.stringify({ inputs: [{ ...input, parameters: { binary_data_size: raw.length } }] }));
    const binary = await post('/v2/models/text/infer', Buffer.concat([head, raw]), {
      'Inference-Header-Content-Length': String(head.length),
    });
    expect(binary.answer).toEqual(json.answer);
  });

  it('on KServe v1 and on /predict', async () => {
    expect((await post('/predict/text', { text: 'b' })).answer).toEqual({ prediction: { label: 'second', score: 5 } });
    const plain = await post('/predict/text', Buffer.from('b'), { 'Content-Type': 'text/plain' });
    expect(plain.answer).toEqual({ prediction: { label: ['second'], score: [5] } });
  });

  it('over gRPC, both protocols', async () => {
    const session = grpcConnect(server.grpc?.url ?? '');
    try {
      const input = new ProtoWriter().string(1, 'text').string(2, 'BYTES').packed(3, [1]);
      const infer = new ProtoWriter()
        .string(1, 'text')
        .message(5, input)
        .bytes(7, lengthPrefixed(Buffer.from('b')));
      const inferred = await call(session, '/inference.GRPCInferenceService/ModelInfer', infer.finish(0));
      expect(inferred).toMatchObject({ status: 0 });
      expect(inferred.replies[0]!.includes('second')).toBe(true);
      const shape = new ProtoWriter().message(2, new ProtoWriter().int(1, 1));
      const value = new ProtoWriter().int(1, 7).message(2, shape).bytes(8, Buffer.from('b'));
      const entry = new ProtoWriter().string(1, 'text').message(2, value);
      const predict = new ProtoWriter().message(1, new ProtoWriter().string(1, 'text')).message(2, entry);
      const predicted = await call(session, '/tensorflow.serving.PredictionService/Predict', predict.finish(0));
      expect(predicted).toMatchObject({ status: 0 });
      const reader = new ProtoReader(predicted.replies[0]!);
      const names: string[] = [];
      while (reader.next()) {
        if (reader.field !== 1) reader.skip();
        else {
          const output = reader.message();
          output.next();
          names.push(output.string());
          while (output.next()) output.skip();
        }
      }
      expect(names).toEqual(['label', 'score']);
    } finally {
      session.close();
    }
  });

  it('is what every protocol says of the model', async () => {
    const get = async (at: string): Promise<string> => (await fetch(server.rest.url + at)).text();
    expect(JSON.parse(await get('/v2/models/text'))).toMatchObject({
      inputs: [{ name: 'text', datatype: 'BYTES', shape: [-1] }],
      outputs: [
        { name: 'label', datatype: 'BYTES', shape: [-1] },
        { name: 'score', datatype: 'FP32', shape: [-1] },
      ],
    });
    const metadata = await get('/v1/models/text/metadata');
    expect(metadata).toContain('"text":{"dtype":"DT_STRING"');
    expect(metadata).not.toContain('"in"');
  });
});

describe('an image in, labels out', () => {
  const expected = { label: ['1', '4'], score: [9, 9] };
  const asText = (answer: unknown): unknown =>
    JSON.parse(JSON.stringify(answer, (_, value: unknown) => value).replaceAll('[1,4]', '["1","4"]'));

  it('in base64, in binary, and as the body', async () => {
    const b64 = GREEN.toString('base64');
    const rows = await post('/v1/models/image:predict', { instances: [{ photo: { b64 } }, { photo: { b64 } }] });
    expect(asText(rows.answer)).toEqual({ predictions: [expected, expected] });
    expect(asText((await post('/predict/image', { photo: { b64 } })).answer)).toEqual({ prediction: expected });
    const body = await post('/predict/image', GREEN, { 'Content-Type': 'image/png' });
    expect(asText(body.answer)).toEqual({ prediction: { label: [['1', '4']], score: [[9, 9]] } });
    const raw = lengthPrefixed(GREEN);
    const input = { name: 'photo', datatype: 'BYTES', shape: [1], parameters: { binary_data_size: raw.length } };
    const head = Buffer.from(JSON.stringify({ inputs: [input] }));
    const binary = await post('/v2/models/image/infer', Buffer.concat([head, raw]), {
      'Inference-Header-Content-Length': String(head.length),
    });
    expect(binary).toMatchObject({ status: 200, answer: { outputs: [{ data: [1, 4] }, { data: [9, 9] }] } });
  });
});

describe('bad input', () => {
  const text = (value: unknown): unknown => ({ instances: [{ text: 'a' }, { text: value }] });
  const image = (bytes: Buffer): unknown => ({ instances: [{ photo: { b64: bytes.toString('base64') } }] });

  it.each<[string, string, unknown, string]>([
    ['bytes that are no text', 'text', text({ b64: '/9g=' }), 'input "text"[1]: the text is not UTF-8'],
    ['half a surrogate pair', 'text', text('\ud800'), 'input "text"[1]: the text has half a surrogate pair'],
    ['a megabyte of text', 'text', text('a '.repeat(500_000)), 'the text has 1000000 bytes, more than 131072'],
    ['a number for a text', 'text', text(3), 'input "text"[1]: is 3, expected a string'],
    ['the name of a tensor', 'text', { instances: [{ in: [1, 2, 3, 4] }] }, 'in'],
    [
      'a text for an image',
      'image',
      { instances: ['hello'] },
      'not a JPEG, PNG, WebP or BMP image; JSON has images as {"b64"',
    ],
    ['nothing for an image', 'image', image(Buffer.alloc(0)), 'the image is empty'],
    ['half an image', 'image', image(png([0, 9, 0], 40).subarray(0, 60)), 'the image cannot be decoded'],
    ['a bomb', 'image', image(png([0, 0, 0], 2, 30_000)), 'the image has 30000 × 30000 pixels, more than 33554432'],
  ])('is told of: %s', async (_, model, body, problem) => {
    const { status, answer } = await post(`/v1/models/${model}:predict`, body);
    expect(status).toBe(400);
    expect((answer as { error: string }).error).toContain(problem);
  });

  it('hurts nobody beside it', async () => {
    const good = { instances: [{ photo: { b64: GREEN.toString('base64') } }] };
    const bad = [image(Buffer.from('x')), image(png([0, 9, 0], 40).subarray(0, 60)), image(png([1, 1, 1], 2, 40_000))];
    const all = Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? good : bad[i % 3]));
    const answers = await Promise.all(all.map((body) => post('/v1/models/image:predict', body)));
    expect(answers.map(({ status }) => status)).toEqual(all.map((body) => (body === good ? 200 : 400)));
  });

  it('takes one pixel for an image', async () => {
    const { answer } = await post('/v1/models/image:predict', image(png([0, 0, 7], 1)));
    expect(answer).toEqual({ predictions: [{ label: [2, 5], score: [7, 7] }] });
  });

  it('of a release is the reason it does not load', async () => {
    // It is tried again now and then, so there are moments when it is loading.
    const version = async () => (await server.status()).models.find(({ name }) => name === 'broken')?.versions[0];
    await expect
      .poll(async () => (await version())?.reason, { timeout: 10_000 })
      .toContain('vocab.txt: not a usable tokenizer: a vocab.txt needs a line [CLS]');
  });
});

it('counts the time of transforms, and no other model’s', async () => {
  await post('/v1/models/text:predict', { instances: ['a'] });
  const metrics = await (await fetch(`${server.admin.url}/metrics`)).text();
  const [, count] = /slipway_inference_transform_seconds_count\{model="text",version="1"\} (\d+)/.exec(metrics) ?? [];
  expect(Number(count)).toBeGreaterThan(0);
});

it('answers with what a deadline says, whatever stage it meets', async () => {
  const { status } = await post(
    '/v1/models/text:predict',
    { instances: ['a '.repeat(60_000)] },
    { 'x-request-timeout-ms': '0.001' },
  );
  expect(status).toBe(504);
});

it('takes the tensors of the model where transforms are off', async () => {
  const models = [{ name: 'text', path: path.join(root, 'text') }];
  const logger = createLogger('silent');
  const plain = await startServer({
    models,
    transforms: false,
    restPort: 0,
    grpcPort: null,
    adminPort: 0,
    threads: 1,
    logger,
  });
  try {
    await plain.ready;
    const body = JSON.stringify({ instances: [[1, 2, 3, 4]] });
    const response = await fetch(`${plain.rest.url}/v1/models/text:predict`, { method: 'POST', body });
    expect(await response.json()).toEqual({ predictions: [[1, 2, 3, 4]] });
  } finally {
    await plain.close();
  }
});
