/** Compressed answers: for whom they are made, that they are what they would be otherwise, and that their order holds. */
import type { ClientHttp2Session } from 'node:http2';
import { gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerOf, callRaw, framed, grpcConnect, open } from '../testing/grpc-client.ts';
import { oneWeightModel } from '../testing/onnx.ts';
import { type Serving, serving } from '../testing/serving.ts';
import { ProtoWriter } from './writer.ts';

const INFER = '/inference.GRPCInferenceService/ModelInfer';
const STREAM = '/inference.GRPCInferenceService/ModelStreamInfer';

let served: Serving;
let session: ClientHttp2Session;
beforeAll(async () => {
  served = await serving({ one: oneWeightModel(2) }, { batching: { maxQueueRows: 100_000 } });
  await served.server.ready;
  session = grpcConnect(served.server.grpc?.url ?? '');
});
afterAll(async () => {
  session.close();
  await served.close();
});

function inferRequest(rows: number): Buffer {
  const input = new ProtoWriter().string(1, 'x').string(2, 'FP32').packed(3, [rows, 1]);
  const raw = new Uint8Array(Float32Array.from({ length: rows }, (_, row) => row % 7).buffer);
  return new ProtoWriter().string(1, 'one').message(5, input).bytes(7, raw).finish(0);
}

const compressed = { 'grpc-encoding': 'gzip' };
const takes = { 'grpc-accept-encoding': 'identity, deflate, gzip' };

describe('an answer', () => {
  it.each([
    ['gzip', gzipSync, gunzipSync],
    ['deflate', (bytes: Buffer) => bytes, inflateSync],
  ] as const)('comes in %s to who sends and takes that', async (encoding, deflate, inflate) => {
    const request = encoding === 'gzip' ? framed(deflate(inferRequest(1000)), 1) : framed(inferRequest(1000));
    const plain = await callRaw(session, INFER, framed(inferRequest(1000)));
    const answer = await callRaw(session, INFER, request, { 'grpc-encoding': encoding, ...takes });
    expect(answer.status).toBe(0);
    expect(answer.headers['grpc-encoding']).toBe(encoding);
    const [reply = Buffer.alloc(0)] = answer.replies;
    expect(reply.length).toBeLessThan((plain.replies[0]?.length ?? 0) / 4);
    expect(inflate(reply)).toEqual(plain.replies[0]);
  });

  it.each([
    ['to who takes it but does not send it', 1000, takes],
    ['to who does not say that it takes it', 1000, compressed],
    ['to who takes something else', 1000, { ...compressed, 'grpc-accept-encoding': 'identity, br' }],
    ['when it is small', 1, { ...compressed, ...takes }],
  ])('is not compressed %s', async (_, rows, headers) => {
    const sends = 'grpc-encoding' in headers;
    const message = inferRequest(rows);
    const answer = await callRaw(session, INFER, sends ? framed(gzipSync(message), 1) : framed(message), headers);
    const plain = await callRaw(session, INFER, framed(message));
    expect(answer).toMatchObject({ status: 0, replies: plain.replies });
  });

  it('keeps its place in a stream, and the status comes after the last', async () => {
    const stream = open(session, STREAM, { ...compressed, ...takes });
    const answer = answerOf(stream);
    const sizes = Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? 2000 : 1));
    for (const rows of sizes) stream.write(framed(inferRequest(rows)));
    stream.end();
    const { status, replies } = await answer;
    expect(status).toBe(0);
    expect(replies.map((reply) => (reply.subarray(0, 2).equals(Buffer.of(0x1f, 0x8b)) ? 2000 : 1))).toEqual(sizes);
  });
});
