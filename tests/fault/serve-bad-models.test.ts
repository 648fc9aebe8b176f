/**
 * Model files that are wrong in every way we know, served beside a good one: each is answered with 503 and its reason, and
 * the good one goes on answering.
 */
import { createLogger } from '@slipway/core';
import { buildModel, createInitializer, encodeModel, type Model } from '@slipway/onnx';
import { type RunningServer, startServer } from '@slipway/serve';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

const TEXT: unknown = expect.any(String);

const scaled = (operator = 'MatMul'): Model =>
  buildModel((b) => {
    const x = b.input('x', 'float32', ['rows', 2]);
    b.output(b.op(operator, [x, b.floats('w', [2, 2], [1, 0, 0, 1])], { outputs: ['y'] }), 'float32', ['rows', 2]);
  });
const good = Buffer.from(encodeModel(scaled()));

const withExternal = (location: string, offset = 0): Uint8Array =>
  encodeModel(
    buildModel((b) => {
      const x = b.input('x', 'float32', ['rows', 2]);
      const data = { kind: 'external', location, offset, length: 16, checksum: null, directory: null } as const;
      b.initializer(createInitializer('w', 'float32', [2, 2], data));
      b.output(b.op('MatMul', [x, 'w'], { outputs: ['y'] }), 'float32', ['rows', 2]);
    }),
  );

const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];

/** ModelProto.graph holds GraphProto.node holds NodeProto.attribute holds AttributeProto.g holds …; made from the inside out. */
function nested(depth: number): Buffer {
  const parts: number[][] = [];
  let length = 0;
  for (let level = depth - 1; level >= 0; level--) {
    const tag = level === 0 ? 0x3a : ([0x32, 0x0a, 0x2a][level % 3] ?? 0);
    const head = [tag, ...varint(length)];
    parts.push(head);
    length += head.length;
  }
  return Buffer.from([[0x08, 8], ...parts.reverse()].flat());
}

/** Bits are flipped where a flip is noticed: in the structure, not in the weights. */
const flipped = Buffer.from(good);
flipped[flipped.indexOf('MatMul') - 1]! ^= 0x40;

const BAD: readonly (readonly [name: string, file: Uint8Array, reason: RegExp])[] = [
  ['empty', Buffer.alloc(0), /not a usable ONNX model/],
  ['text', Buffer.from('no model at all, but long enough to be one'), /not a usable ONNX model/],
  ['truncated', good.subarray(0, good.length - 10), /not a usable ONNX model/],
  ['flipped', flipped, /not a usable ONNX model/],
  ['lying-length', Buffer.from([0x08, 8, 0x3a, 0xff, 0xff, 0xff, 0xff, 0x07, 1, 2, 3]), /not a usable ONNX model/],
  ['nested', nested(1_000_000), /not a usable ONNX model/],
  ['external-above', withExternal('../outside.bin'), /outside the folder/],
  ['external-absolute', withExternal('/etc/hostname'), /outside the folder/],
  ['external-link', withExternal('link.bin'), /outside the folder/],
  ['external-past-end', withExternal('short.bin', 8), /ends at byte 24, its file at 16/],
  ['external-missing', withExternal('none.bin'), /is missing/],
  ['operator', encodeModel(scaled('Frobnicate')), /operator Frobnicate is not supported/],
  ['opset', encodeModel({ ...scaled(), opsets: new Map([['', 99]]) }), /opset 99/],
  ['no-opset', encodeModel({ ...scaled(), opsets: new Map() }), /names no opset/],
];

let directory: string;
let server: RunningServer;

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'slipway-bad-'));
  const models = path.join(directory, 'models');
  mkdirSync(models);
  writeFileSync(path.join(directory, 'outside.bin'), Buffer.alloc(16));
  writeFileSync(path.join(models, 'short.bin'), Buffer.alloc(16));
  symlinkSync('../outside.bin', path.join(models, 'link.bin'));
  const sources = [['good', good] as const, ...BAD].map(([name, file]) => {
    writeFileSync(path.join(models, `${name}.onnx`), file);
    return { name, path: path.join(models, `${name}.onnx`) };
  });
  server = await startServer({
    models: sources,
    restPort: 0,
    grpcPort: 0,
    adminPort: 0,
    threads: 1,
    logger: createLogger('silent'),
  });
  await server.ready;
}, 60_000);
afterAll(async () => {
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});

const ask = async (model: string): Promise<{ status: number; body: unknown }> => {
  const response = await fetch(`${server.rest.url}/v1/models/${model}:predict`, {
    method: 'POST',
    body: JSON.stringify({ instances: [[3, 4]] }),
    headers: { 'x-request-id': 'bad-model' },
  });
  return { status: response.status, body: await response.json() };
};

it.each(BAD)('%s', async (name, _, reason) => {
  const { status, body } = await ask(name);
  expect({ status, body }).toEqual({
    status: 503,
    body: {
      code: 'MODEL_UNAVAILABLE',
      error: expect.stringMatching(reason) as string,
      request_id: 'bad-model',
      hint: TEXT,
    },
  });
  expect(JSON.stringify(body)).not.toContain(directory);
  expect(await ask('good')).toEqual({ status: 200, body: { predictions: [[3, 4]] } });
});
