/** Which answers are compressed, and that they are the same answers. */
import { Agent, request } from 'node:http';
import { gunzipSync, inflateSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { oneWeightModel } from '../testing/onnx.ts';
import { type Serving, serving } from '../testing/serving.ts';
import { acceptedCoding } from './compress.ts';

let served: Serving;
const agent = new Agent({ keepAlive: false });
beforeAll(async () => {
  served = await serving({ one: oneWeightModel(2) });
  await served.server.ready;
});
afterAll(() => served.close());

/** Not `fetch`, which would take the coding off. */
function infer(rows: number, accept: string | undefined): Promise<{ coding: string | undefined; body: Buffer }> {
  const data = Array.from({ length: rows }, (_, index) => index);
  const tensor = { name: 'x', shape: [rows, 1], datatype: 'FP32', data };
  return new Promise((resolve, reject) => {
    const headers = accept === undefined ? {} : { 'Accept-Encoding': accept };
    const url = `${served.url}/v2/models/one/infer`;
    const sent = request(url, { method: 'POST', headers, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        resolve({ coding: response.headers['content-encoding'], body: Buffer.concat(chunks) });
      });
    });
    sent.on('error', reject);
    sent.end(JSON.stringify({ inputs: [tensor] }));
  });
}

it('compresses what is large, as the client accepts', async () => {
  const plain = await infer(1000, undefined);
  expect(plain.coding).toBeUndefined();
  const gzipped = await infer(1000, 'deflate, gzip;q=0.5');
  expect(gzipped.coding).toBe('gzip');
  expect(gzipped.body.length).toBeLessThan(plain.body.length / 2);
  expect(gunzipSync(gzipped.body).equals(plain.body)).toBe(true);
  const deflated = await infer(1000, 'deflate');
  expect(deflated.coding).toBe('deflate');
  expect(inflateSync(deflated.body).equals(plain.body)).toBe(true);
  expect((await infer(1, 'gzip')).coding).toBeUndefined();
});

it.each([
  [undefined, null],
  ['', null],
  ['br', null],
  ['identity, *', null],
  ['gzip', 'gzip'],
  ['GZIP ; q=1', 'gzip'],
  ['gzip;q=0, deflate', 'deflate'],
  ['gzip;q=0.0', null],
  ['x-gzip', 'gzip'],
])('of %j takes %j', (header, coding) => {
  expect(acceptedCoding(header)).toBe(coding);
});
