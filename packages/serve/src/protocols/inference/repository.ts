/**
 * What a client may say when it loads a model: `config`, a ModelConfig as JSON, in place of the one in the files, and
 * `file:PATH`, the files themselves.
 * https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md
 */
import { fail, isSafeRelativePath, type Logger, type SlipwayError } from '@slipway/core';
import type { ModelControl } from '../../catalog/control.ts';
import { readTritonConfigJson, type TritonConfig } from '../../catalog/readers/triton.ts';

type LoadRequest = NonNullable<Parameters<ModelControl['load']>[1]>;
type Given = ReadonlyMap<string, boolean | number | string | Buffer>;

const FILE = 'file:';
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** @throws CLIENT_REFUSED, REQUEST_MALFORMED, SERVING_CONFIG_INVALID, MODEL_NOT_FOUND, MODEL_UNAVAILABLE */
export async function loadModel(
  control: ModelControl,
  logger: Logger,
  model: string,
  parameters: Given,
): Promise<void> {
  const { request, warnings } = loadRequest(parameters);
  for (const warning of warnings) logger.warn({ event: 'model.config', model: model.slice(0, 200) }, warning);
  await control.load(model, request);
}

/**
 * @param parameters files are base64 where they are text (REST), and themselves where they are bytes (gRPC)
 * @throws REQUEST_MALFORMED, SERVING_CONFIG_INVALID
 */
export function loadRequest(parameters: Given): {
  readonly request: LoadRequest;
  readonly warnings: readonly string[];
} {
  const files = new Map<string, Buffer>();
  let config: TritonConfig | null = null;
  for (const [name, value] of parameters) {
    if (name === 'config') {
      if (typeof value !== 'string') {
        throw malformed('the parameter config must be a model configuration, as JSON in a string');
      }
      config = readTritonConfigJson(value, 'config');
    } else if (name.startsWith(FILE)) files.set(filePath(name), fileContent(name, value));
    else throw malformed(`the parameter "${name.slice(0, 100)}" is not known; there are config and file:PATH`);
  }
  const settings = config === null ? {} : { settings: config.settings };
  return { request: { ...settings, ...(files.size > 0 ? { files } : {}) }, warnings: config?.warnings ?? [] };
}

function filePath(name: string): string {
  const path = name.slice(FILE.length);
  if (path.length <= 1024 && isSafeRelativePath(path)) return path;
  throw malformed(`the parameter "${name.slice(0, 100)}" must name a file inside the model, such as file:1/model.onnx`);
}

function fileContent(name: string, value: boolean | number | string | Buffer): Buffer {
  if (Buffer.isBuffer(value)) return value;
  if (typeof value === 'string' && BASE64.test(value)) return Buffer.from(value, 'base64');
  throw malformed(`the parameter "${name.slice(0, 100)}" must be a file in base64`);
}

const malformed = (problem: string): SlipwayError => fail('REQUEST_MALFORMED', { problem });
