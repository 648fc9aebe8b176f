/** What a configuration says, and what becomes of it in a server that takes one. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { ProtoWriter } from '../../grpc/writer.ts';
import { call, grpcConnect } from '../../testing/grpc-client.ts';
import { oneWeightModel } from '../../testing/onnx.ts';
import { serving } from '../../testing/serving.ts';
import { readConfig } from './reload-config.ts';

const message = (): ProtoWriter => new ProtoWriter();
const request = (...models: ProtoWriter[]): Buffer => {
  const list = message();
  for (const model of models) list.message(1, model);
  return message().message(1, message().message(1, list)).finish(0);
};
const model = (): ProtoWriter => message().string(1, 'half').string(2, '/models/half').string(4, 'tensorflow');

describe('ReloadConfigRequest', () => {
  it.each([
    ['no policy', model(), {}],
    ['the latest', model().message(7, message().message(100, message())), { versionPolicy: { latest: 1 } }],
    [
      'the latest three',
      model().message(7, message().message(100, message().int(1, 3))),
      { versionPolicy: { latest: 3 } },
    ],
    ['all', model().message(7, message().message(101, message())), { versionPolicy: { all: true } }],
    [
      'some, packed and not',
      model().message(7, message().message(102, message().packed(1, [1, 7]).int(1, 9))),
      { versionPolicy: { specific: [1, 7, 9] } },
    ],
    [
      'labels',
      model().message(8, message().string(1, 'stable').int(2, 7)).message(8, message().string(1, 'canary').int(2, 8)),
      { labels: { stable: 7, canary: 8 } },
    ],
  ])('says %s', (_, config, settings) => {
    expect(readConfig(request(config))).toEqual([{ name: 'half', path: '/models/half', settings }]);
  });

  it('may be a list of nothing', () => {
    expect(readConfig(request())).toEqual([]);
  });

  it.each([
    ['no configuration', Buffer.alloc(0), 'Only ModelConfigList is supported'],
    [
      'a custom one',
      message()
        .message(1, message().bytes(2, Buffer.of(1, 2)))
        .finish(0),
      'Only ModelConfigList',
    ],
    ['a model without a path', request(message().string(1, 'half')), 'lacks its name or base_path'],
    ['what is no protobuf', Buffer.of(0x0a, 0xff), 'not a valid protobuf message'],
  ])('is refused with %s', (_, bytes, problem) => {
    expect(() => readConfig(bytes)).toThrow(problem);
  });
});

it('replaces what is served, when the server lets clients do so, and only from where it may', async () => {
  const root = await mkdtemp(path.join(tmpdir(), 'slipway-reload-'));
  for (const [version, weight] of [
    [1, 3],
    [2, 5],
  ] as const) {
    await mkdir(path.join(root, 'half', String(version)), { recursive: true });
    await writeFile(path.join(root, 'half', String(version), 'model.onnx'), oneWeightModel(weight));
  }
  const served = await serving({ one: oneWeightModel(2) }, { modelControl: 'explicit', modelRoots: [root] });
  const session = grpcConnect(served.server.grpc?.url ?? '');
  const reload = (config: ProtoWriter): ReturnType<typeof call> =>
    call(session, '/tensorflow.serving.ModelService/HandleReloadConfigRequest', request(config));
  const predict = async (at: string): Promise<string> => {
    const { status, text } = await served.post(`/v1/models/${at}:predict`, { instances: [[1]] });
    return status === 200 ? text : String(status);
  };
  try {
    await served.server.ready;
    expect(await predict('one')).toBe('{"predictions":[[2.0]]}');
    const half = (): ProtoWriter => message().string(1, 'half').string(2, path.join(root, 'half'));
    const both = message().message(102, message().packed(1, [1, 2]));
    const stable = message().string(1, 'stable').int(2, 1);
    const answer = await reload(half().message(7, both).message(8, stable));
    expect(answer).toMatchObject({ status: 0, message: '' });
    expect(await predict('half')).toBe('{"predictions":[[5.0]]}');
    expect(await predict('half/labels/stable')).toBe('{"predictions":[[3.0]]}');
    expect(await predict('one')).not.toContain('predictions');
    const outside = await reload(message().string(1, 'passwords').string(2, '/etc'));
    expect(outside.status).not.toBe(0);
    expect(await predict('half')).toBe('{"predictions":[[5.0]]}');
  } finally {
    session.close();
    await served.close();
    await rm(root, { recursive: true, force: true });
  }
});
