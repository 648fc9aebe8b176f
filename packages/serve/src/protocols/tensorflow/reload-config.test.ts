import { describe, expect, it } from 'vitest';
import { ProtoWriter } from '../../grpc/writer.ts';
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
