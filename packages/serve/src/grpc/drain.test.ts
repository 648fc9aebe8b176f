/** Shutting down gRPC under load: a call that was sent is answered; streams are told that the server goes. */
import { constants } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { answerOf, framed, grpcConnect, open } from '../testing/grpc-client.ts';
import { oneWeightModel } from '../testing/onnx.ts';
import { serving } from '../testing/serving.ts';
import { ProtoWriter } from './writer.ts';

const INFER = '/inference.GRPCInferenceService/ModelInfer';
const STREAM = '/inference.GRPCInferenceService/ModelStreamInfer';
const WATCH = '/grpc.health.v1.Health/Watch';

const input = new ProtoWriter().string(1, 'x').string(2, 'FP32').packed(3, [1, 1]);
const request = new ProtoWriter().string(1, 'one').message(5, input).bytes(7, new Uint8Array(4)).finish(0);

it('answers every call that was sent, and ends the streams with a reason', async () => {
  const { server } = await serving({ one: oneWeightModel() });
  await server.ready;
  const address = server.grpc?.url ?? '';
  const counts = new Map<string, number>();
  // Like gRPC clients: a connection is used once the server has sent its settings, and not once it was told to go away.
  const client = async (pauseMs: number): Promise<void> => {
    let refused = false;
    const again = (): boolean => !refused;
    while (again()) {
      const session = grpcConnect(address);
      session.on('error', (error: NodeJS.ErrnoException) => (refused ||= error.code === 'ECONNREFUSED'));
      await new Promise((resolve) => session.once('remoteSettings', resolve).once('close', resolve));
      while (!session.closed && !session.destroyed) {
        const stream = open(session, INFER);
        stream.end(framed(request));
        const { status } = await answerOf(stream);
        // Not processed by anyone, and clients try it again by themselves: GOAWAY came while it was being sent.
        const unsent = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
        const outcome = unsent ? 'unsent' : String(status);
        counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
        await sleep(pauseMs);
      }
    }
  };
  const clients = Array.from({ length: 8 }, (_, i) => client(i % 3));
  const watching = grpcConnect(address);
  const stream = open(watching, STREAM);
  stream.write(framed(request));
  const streamed = answerOf(stream);
  const watch = open(watching, WATCH);
  watch.end(framed(Buffer.alloc(0)));
  const watched = answerOf(watch);
  await sleep(300);
  await server.close();
  await Promise.all(clients);
  counts.delete('unsent');
  expect([...counts.keys()]).toEqual(['0']);
  expect(counts.get('0')).toBeGreaterThan(8);
  const { status, message, replies } = await streamed;
  expect({ status, message, replies: replies.length }).toEqual({
    status: 14,
    message: 'The server is shutting down',
    replies: 1,
  });
  expect((await watched).replies.map((reply) => [...reply])).toEqual([
    [8, 1],
    [8, 2],
  ]);
});

it('waits for a call whose request is still being sent, but not for ever', async () => {
  const { server } = await serving({ one: oneWeightModel() }, { drainTimeoutMs: 500 });
  await server.ready;
  const session = grpcConnect(server.grpc?.url ?? '');
  const late = open(session, INFER);
  const never = open(session, INFER);
  const answer = answerOf(late);
  const nothing = answerOf(never);
  late.write(framed(request).subarray(0, 4));
  never.write(Buffer.from([0]));
  await sleep(50);
  const closed = server.close();
  await sleep(100);
  late.end(framed(request).subarray(4));
  expect((await answer).status).toBe(0);
  await closed;
  expect((await nothing).status).toBe(-1);
});
