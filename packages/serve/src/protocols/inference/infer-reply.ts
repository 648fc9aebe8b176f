/** The answer to an inference request: JSON, or JSON followed by the raw bytes of the outputs asked for in binary. */
import { OIP_DATATYPE } from '@slipway/core';
import type { JsonWriter } from '../../json/writer.ts';
import type { Reply, ServedVersion } from '../gateway.ts';
import type { Answered } from './outputs.ts';

export function writeInferReply(
  writer: JsonWriter,
  version: ServedVersion,
  id: string | null,
  outputs: readonly Answered[],
): Reply {
  writer.reset();
  const raw: Uint8Array[] = [];
  writer.raw('{"model_name":').string(version.model).raw(`,"model_version":"${version.version}"`);
  if (id !== null) writer.raw(',"id":').string(id);
  writer.raw(',"outputs":[');
  outputs.forEach(({ name, tensor, bytes, inMemory }, index) => {
    writer.raw(index === 0 ? '{"name":' : ',{"name":').string(name);
    writer.raw(`,"shape":[${tensor.shape.join(',')}],"datatype":"${OIP_DATATYPE[tensor.dtype]}"`);
    // No parameters: Triton's C++ client takes any for those of binary data.
    if (inMemory) writer.raw('}');
    else if (bytes !== null) {
      raw.push(bytes);
      writer.raw(`,"parameters":{"binary_data_size":${bytes.length}}}`);
    } else {
      writer.raw(',"data":');
      writer.flat(tensor, 0, tensor.data.length, false);
      writer.raw('}');
    }
  });
  const json = writer.raw(']}').finish();
  if (raw.length === 0) return { contentType: 'application/json', body: json };
  return {
    contentType: 'application/octet-stream',
    body: Buffer.concat([json, ...raw]),
    headers: ['Inference-Header-Content-Length', String(json.length)],
  };
}
