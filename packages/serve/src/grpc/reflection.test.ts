/** What a client learns by reflection is what is in proto/, and every listed service can be described with its messages. */
import type { ClientHttp2Session } from 'node:http2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerOf, framed, grpcConnect, open } from '../testing/grpc-client.ts';
import { oneWeightModel } from '../testing/onnx.ts';
import { type Serving, serving } from '../testing/serving.ts';
import { ProtoReader } from './reader.ts';
import { DescriptorCatalog, REFLECTION_SERVICES } from './reflection.ts';
import { ProtoWriter } from './writer.ts';

const SERVICES = [
  'inference.GRPCInferenceService',
  'tensorflow.serving.PredictionService',
  'tensorflow.serving.ModelService',
  'grpc.health.v1.Health',
  'org.pytorch.serve.grpc.inference.InferenceAPIsService',
  'org.pytorch.serve.grpc.management.ManagementAPIsService',
  ...REFLECTION_SERVICES,
];

let served: Serving;
let session: ClientHttp2Session;
beforeAll(async () => {
  served = await serving({ one: oneWeightModel(2) });
  session = grpcConnect(served.server.grpc?.url ?? '');
});
afterAll(async () => {
  session.close();
  await served.close();
});

/** Of each answer: which field of the oneof, and its bytes. */
async function ask(service: string, ...requests: ProtoWriter[]): Promise<{ field: number; bytes: Buffer }[]> {
  const stream = open(session, `/${service}/ServerReflectionInfo`);
  const answer = answerOf(stream);
  for (const request of requests) stream.write(framed(request.finish(0)));
  stream.end();
  const { status, replies } = await answer;
  expect(status).toBe(0);
  return replies.map((reply) => {
    const reader = new ProtoReader(reply);
    let found: { field: number; bytes: Buffer } = { field: 0, bytes: Buffer.alloc(0) };
    while (reader.next()) found = { field: reader.field, bytes: reader.bytes() };
    return found;
  });
}

function strings(bytes: Buffer, field: number): Buffer[] {
  const reader = new ProtoReader(bytes);
  const found: Buffer[] = [];
  while (reader.next()) {
    if (reader.field === field) found.push(reader.bytes());
    else reader.skip();
  }
  return found;
}

const request = (field: number, value: string): ProtoWriter => new ProtoWriter().string(1, 'host').string(field, value);

describe.each(REFLECTION_SERVICES)('%s', (service) => {
  it('lists the services, and describes each with all that it needs', async () => {
    const [list] = await ask(service, request(7, ''));
    const names = strings(list?.bytes ?? Buffer.alloc(0), 1).map((bytes) => strings(bytes, 1)[0]?.toString());
    expect(list?.field).toBe(6);
    expect(names.sort()).toEqual([...SERVICES].sort());
    const answers = await ask(service, ...SERVICES.map((name) => request(4, name)));
    answers.forEach(({ field, bytes }, index) => {
      expect(field).toBe(4);
      const files = strings(bytes, 1);
      const set = new ProtoWriter();
      for (const file of files) set.bytes(1, file);
      const known = new DescriptorCatalog(set.finish(0));
      expect(known.fileOf(SERVICES[index] ?? '')).toBeDefined();
      // Every import is there, before what imports it.
      const seen = new Set<string>();
      for (const file of files) {
        for (const name of strings(file, 3)) expect(seen).toContain(name.toString());
        seen.add(strings(file, 1)[0]?.toString() ?? '');
      }
    });
  });

  it.each([
    ['a message', 4, 'tensorflow.serving.PredictRequest', 4],
    ['a nested message', 4, 'tensorflow.TensorShapeProto.Dim', 4],
    ['a nested enum', 4, 'tensorflow.serving.ModelVersionStatus.State', 4],
    ['a method', 4, 'inference.GRPCInferenceService.ModelInfer', 4],
    ['a file', 3, 'tensorflow_serving.proto', 4],
    ['a file of Google', 3, 'google/protobuf/wrappers.proto', 4],
    ['the extensions of a message', 6, 'tensorflow.TensorProto', 5],
    ['what is not there', 4, 'tensorflow.Nothing', 7],
    ['a file that is not there', 3, '../secret.proto', 7],
    ['the extensions of nothing', 6, 'nothing', 7],
    ['a member of Object', 4, '__proto__', 7],
  ])('is asked for %s', async (_, field, name, expected) => {
    const [answer] = await ask(service, request(field, name));
    expect(answer?.field).toBe(expected);
    if (expected === 7) expect(answer?.bytes.subarray(0, 2)).toEqual(Buffer.of(0x08, 5));
  });

  it('asks back for a question without one', async () => {
    const [answer] = await ask(service, new ProtoWriter().string(1, 'host'));
    expect(answer?.bytes.subarray(0, 2)).toEqual(Buffer.of(0x08, 3));
  });
});
