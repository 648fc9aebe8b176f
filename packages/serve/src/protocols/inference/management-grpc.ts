/** What `management.ts` is over HTTP, over gRPC: the same documents, written as messages. */
import { asSlipwayError, fail } from '@slipway/core';
import type { Method } from '../../grpc/method.ts';
import { ProtoReader } from '../../grpc/reader.ts';
import { ProtoWriter } from '../../grpc/writer.ts';
import type { TraceChanges } from '../../telemetry/tracer.ts';
import type { InferenceContext } from './context.ts';
import { indexOf, readTarget } from './describe.ts';
import { noCuda } from './management.ts';
import { type Schema, writeMessage } from './message.ts';
import { CONFIG_RESPONSE, modelConfig } from './model-config.ts';
import { loadModel } from './repository.ts';
import { STATISTICS, statisticsOf } from './statistics.ts';

const INDEX: Schema = {
  models: [1, 'messages', { name: [1, 'string'], version: [2, 'string'], state: [3, 'string'], reason: [4, 'string'] }],
};

const REGIONS: Schema = {
  regions: [1, 'map', { name: [1, 'string'], key: [2, 'string'], offset: [3, 'int'], byte_size: [4, 'int'] }],
};

const TRACE: Schema = { settings: [1, 'map', { value: [1, 'strings'] }] };

type Value = boolean | number | string | Buffer;

export function managementMethods(context: InferenceContext): Readonly<Record<string, Method>> {
  const { gateway, memory, log, trace, logger } = context;
  return {
    ModelConfig: unary((reader) => {
      const { model, selector } = readTarget(reader);
      return writeMessage(CONFIG_RESPONSE, { config: modelConfig(gateway.models.find(model, selector)) });
    }),
    ModelStatistics: unary(async (reader) => {
      const { model, selector } = readTarget(reader);
      return writeMessage(STATISTICS, await statisticsOf(gateway.models, model === '' ? null : model, selector));
    }),
    RepositoryIndex: unary((reader) => {
      let readyOnly = false;
      while (reader.next()) {
        if (reader.field === 2) readyOnly = reader.bool();
        else reader.skip();
      }
      return writeMessage(INDEX, { models: indexOf(gateway.control, readyOnly) });
    }),
    RepositoryModelLoad: unary(async (reader) => {
      const { model, parameters } = readRepositoryRequest(reader);
      await loadModel(gateway.control, logger, model, parameters);
    }),
    RepositoryModelUnload: unary((reader) => gateway.control.unload(readRepositoryRequest(reader).model)),
    SystemSharedMemoryStatus: unary((reader) => {
      const region = readName(reader);
      const regions = memory.status(region === '' ? null : region);
      return writeMessage(REGIONS, { regions: Object.fromEntries(regions.map((each) => [each.name, each])) });
    }),
    SystemSharedMemoryRegister: unary((reader) => {
      const { name, key, offset, byteSize } = readRegistration(reader);
      memory.register(name, key, offset, byteSize);
    }),
    SystemSharedMemoryUnregister: unary((reader) => {
      const region = readName(reader);
      memory.unregister(region === '' ? null : region);
    }),
    // There is never a region.
    CudaSharedMemoryStatus: unary(() => undefined),
    CudaSharedMemoryRegister: unary(() => {
      throw noCuda();
    }),
    CudaSharedMemoryUnregister: unary(() => undefined),
    TraceSetting: unary((reader) => {
      const { model, changes } = readTraceRequest(reader);
      const document = changes.size === 0 ? trace.document(model) : trace.update(model, changes);
      const settings = Object.entries(document).map(([key, value]) => [
        key,
        { value: typeof value === 'string' ? [value] : value },
      ]);
      return writeMessage(TRACE, { settings: Object.fromEntries(settings) as object });
    }),
    LogSettings: unary((reader) => {
      const settings = readLogSettings(reader);
      const document = settings.size === 0 ? log.document : log.update(settings);
      const writer = new ProtoWriter();
      for (const [key, value] of Object.entries(document)) {
        writer.message(1, new ProtoWriter().string(1, key).message(2, logValue(value)));
      }
      return writer;
    }),
  };
}

/** Answers with the message that `answer` gives, at once or later, or with an empty one where it gives nothing. */
function unary(answer: (request: ProtoReader) => unknown): Method {
  return {
    kind: 'unary',
    handle: (call, bytes) => {
      const reply = (message: unknown): void =>
        call.reply(message instanceof ProtoWriter ? message : new ProtoWriter());
      const answered = answer(new ProtoReader(bytes));
      if (!(answered instanceof Promise)) {
        reply(answered);
        return;
      }
      answered.then(reply, (error: unknown) => call.fail(asSlipwayError(error)));
    },
  };
}

/** Of the requests whose only field is a name. */
function readName(reader: ProtoReader): string {
  let name = '';
  while (reader.next()) {
    if (reader.field === 1) name = reader.string();
    else reader.skip();
  }
  return name;
}

function readRegistration(reader: ProtoReader): { name: string; key: string; offset: number; byteSize: number } {
  let name = '';
  let key = '';
  let offset = 0;
  let byteSize = 0;
  while (reader.next()) {
    if (reader.field === 1) name = reader.string();
    else if (reader.field === 2) key = reader.string();
    else if (reader.field === 3) offset = reader.uint64();
    else if (reader.field === 4) byteSize = reader.uint64();
    else reader.skip();
  }
  return { name, key, offset, byteSize };
}

/** RepositoryModelLoadRequest and RepositoryModelUnloadRequest. */
function readRepositoryRequest(reader: ProtoReader): { model: string; parameters: ReadonlyMap<string, Value> } {
  let model = '';
  const parameters = new Map<string, Value>();
  while (reader.next()) {
    if (reader.field === 2) model = reader.string();
    else if (reader.field === 3) readEntry(reader.message(), parameters, repositoryValue);
    else reader.skip();
  }
  return { model, parameters };
}

/** ModelRepositoryParameter. */
function repositoryValue(reader: ProtoReader): Value | null {
  if (reader.field === 1) return reader.bool();
  if (reader.field === 2) return reader.int64();
  if (reader.field === 3) return reader.string();
  return reader.field === 4 ? reader.bytes() : null;
}

/** TraceSettingRequest; a setting without values takes it back. */
function readTraceRequest(reader: ProtoReader): { model: string | null; changes: TraceChanges } {
  let model = '';
  const changes = new Map<string, readonly string[] | null>();
  while (reader.next()) {
    if (reader.field === 1) {
      const entry = reader.message();
      let key = '';
      const values: string[] = [];
      while (entry.next()) {
        if (entry.field === 1) key = entry.string();
        else if (entry.field === 2) {
          const setting = entry.message();
          while (setting.next()) {
            if (setting.field === 1) values.push(setting.string());
            else setting.skip();
          }
        } else entry.skip();
      }
      changes.set(key, values.length === 0 ? null : values);
    } else if (reader.field === 2) model = reader.string();
    else reader.skip();
  }
  return { model: model === '' ? null : model, changes };
}

function readLogSettings(reader: ProtoReader): ReadonlyMap<string, boolean | number | string> {
  const settings = new Map<string, boolean | number | string>();
  while (reader.next()) {
    if (reader.field === 1) {
      readEntry(reader.message(), settings, (value) => {
        if (value.field === 1) return value.bool();
        if (value.field === 2) return value.uint64();
        return value.field === 3 ? value.string() : null;
      });
    } else reader.skip();
  }
  return settings;
}

/** LogSettingsResponse.SettingValue: the one that is chosen is written, also where it is the default. */
function logValue(value: string | number | boolean): ProtoWriter {
  const writer = new ProtoWriter();
  if (typeof value === 'boolean') return writer.bool(1, value);
  return typeof value === 'number' ? writer.int(2, value) : writer.string(3, value);
}

/** One entry of a map from a string to a message with a choice. @param read the choice, null for what is no part of it */
function readEntry<V>(entry: ProtoReader, into: Map<string, V>, read: (value: ProtoReader) => V | null): void {
  let key = '';
  let value: V | null = null;
  while (entry.next()) {
    if (entry.field === 1) key = entry.string();
    else if (entry.field === 2) {
      const choice = entry.message();
      while (choice.next()) {
        const given = read(choice);
        if (given === null) choice.skip();
        else value = given;
      }
    } else entry.skip();
  }
  if (value === null) throw fail('REQUEST_MALFORMED', { problem: `the parameter "${key.slice(0, 100)}" has no value` });
  into.set(key, value);
  if (into.size > 4096) throw fail('REQUEST_MALFORMED', { problem: 'more than 4096 parameters' });
}
