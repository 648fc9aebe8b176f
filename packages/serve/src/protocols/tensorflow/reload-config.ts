/**
 * `HandleReloadConfigRequest`: the `ModelServerConfig` of a request replaces what is served (model_server_config.proto,
 * file_system_storage_path_source.proto). What the server was started with decides whether that is allowed at all, and below
 * which directories models may lie.
 */
import { asSlipwayError, fail, type SlipwayError } from '@slipway/core';
import type { ModelEntry, ModelSettings, VersionPolicy } from '../../catalog/settings.ts';
import type { Call } from '../../grpc/method.ts';
import { ProtoReader } from '../../grpc/reader.ts';
import { STATUS_CODE } from '../../grpc/status.ts';
import { ProtoWriter } from '../../grpc/writer.ts';
import type { Gateway } from '../gateway.ts';
import { decodeVarints } from '../packed.ts';

/** More models, versions or labels than this are no configuration of anyone's. */
const MOST = 10_000;

export function reloadConfig(gateway: Gateway, call: Call, bytes: Buffer): void {
  const models = readConfig(bytes);
  gateway.control.replaceAll(models).then(
    () => call.reply(new ProtoWriter().message(1, new ProtoWriter().int(1, STATUS_CODE.OK))),
    (error: unknown) => call.fail(asSlipwayError(error)),
  );
}

/** @throws REQUEST_MALFORMED */
export function readConfig(bytes: Buffer): ModelEntry[] {
  const request = new ProtoReader(bytes);
  let models: ModelEntry[] | null = null;
  while (request.next()) {
    if (request.field !== 1) {
      request.skip();
      continue;
    }
    const config = request.message();
    while (config.next()) {
      if (config.field === 1) models = readList(config.message(), models ?? []);
      else config.skip();
    }
  }
  if (models !== null) return models;
  throw malformed(
    'ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is supported',
  );
}

function readList(reader: ProtoReader, models: ModelEntry[]): ModelEntry[] {
  while (reader.next()) {
    if (reader.field === 1) models.push(readModel(reader.message()));
    else reader.skip();
    if (models.length > MOST) throw malformed(`more than ${MOST} models`);
  }
  return models;
}

function readModel(reader: ProtoReader): ModelEntry {
  let name = '';
  let path = '';
  let settings: ModelSettings = {};
  const labels: Record<string, number> = Object.create(null) as Record<string, number>;
  while (reader.next()) {
    if (reader.field === 1) name = reader.string();
    else if (reader.field === 2) path = reader.string();
    else if (reader.field === 7) settings = { ...settings, ...readPolicy(reader.message()) };
    else if (reader.field === 8) {
      const { key, value } = readLabel(reader.message());
      labels[key] = value;
      settings = { ...settings, labels };
      if (Object.keys(labels).length > MOST) throw malformed(`more than ${MOST} labels`);
    } else reader.skip();
  }
  if (name === '' || path === '') throw malformed('a model of the configuration lacks its name or base_path');
  return { name, path, settings };
}

/** ServableVersionPolicy: the last of its choices wins, as in every oneof. */
function readPolicy(reader: ProtoReader): { readonly versionPolicy?: VersionPolicy } {
  let versionPolicy: VersionPolicy | undefined;
  while (reader.next()) {
    if (reader.field === 100) versionPolicy = { latest: Math.max(1, readNumbers(reader.message()).at(-1) ?? 1) };
    else if (reader.field === 101) {
      reader.skip();
      versionPolicy = { all: true };
    } else if (reader.field === 102) versionPolicy = { specific: readNumbers(reader.message()) };
    else reader.skip();
  }
  return versionPolicy === undefined ? {} : { versionPolicy };
}

/** Field 1 of Latest (a number) and of Specific (numbers, packed or not). */
function readNumbers(reader: ProtoReader): number[] {
  const numbers: number[] = [];
  while (reader.next()) {
    if (reader.field !== 1) {
      reader.skip();
      continue;
    }
    for (const value of decodeVarints('int64', reader.packed(0), 'versions')) numbers.push(Number(value));
    if (numbers.length > MOST) throw malformed(`more than ${MOST} versions`);
  }
  return numbers;
}

function readLabel(reader: ProtoReader): { readonly key: string; readonly value: number } {
  let key = '';
  let value = 0;
  while (reader.next()) {
    if (reader.field === 1) key = reader.string();
    else if (reader.field === 2) value = reader.int64();
    else reader.skip();
  }
  return { key, value };
}

const malformed = (problem: string): SlipwayError => fail('REQUEST_MALFORMED', { problem });
