/**
 * What a client may say when it loads a model: `config`, a ModelConfig as JSON, in place of the one in the files, and
 * `file:PATH`, the files themselves.
 * https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md
 */
import { fail, isSafeRelativePath, type SlipwayError } from '@slipway/core';
import type { ModelControl } from '../../catalog/control.ts';

type LoadRequest = NonNullable<Parameters<ModelControl['load']>[1]>;

const FILE = 'file:';
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * @param parameters files are base64 where they are text (REST), and themselves where they are bytes (gRPC)
 * @throws REQUEST_MALFORMED
 */
export function loadRequest(parameters: ReadonlyMap<string, boolean | number | string | Buffer>): LoadRequest {
  const files = new Map<string, Buffer>();
  for (const [name, value] of parameters) {
    if (name === 'config') {
      throw fail('NOT_IMPLEMENTED', { problem: 'the parameter config is not supported' });
    } else if (name.startsWith(FILE)) files.set(filePath(name), fileContent(name, value));
    else throw malformed(`the parameter "${name.slice(0, 100)}" is not known; there are config and file:PATH`);
  }
  return files.size > 0 ? { files } : {};
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
