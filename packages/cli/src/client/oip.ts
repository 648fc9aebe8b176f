/**
 * Open Inference Protocol v2 as a client speaks it, with the binary tensor extension: a JSON header, then the bytes of each
 * tensor in the order listed, little-endian and row-major. https://github.com/kserve/open-inference-protocol
 */
import {
  bytesOf,
  type DType,
  dtypeOfDatatype,
  elementCount,
  fail,
  fromBytes,
  OIP_DATATYPE,
  type Tensor,
  type Tensors,
} from '@slipway/core';

export function dtypeOf(datatype: string): DType {
  const dtype = dtypeOfDatatype(datatype);
  if (dtype === undefined) {
    throw fail('REQUEST_MALFORMED', { problem: `the server uses the unknown datatype ${datatype}` });
  }
  return dtype;
}

export interface EncodedRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** The binary form of a request; outputs come back binary too. */
export function encodeBinary(inputs: Tensors): EncodedRequest {
  const parts = Object.values(inputs).map(rawBytes);
  const header = JSON.stringify({
    inputs: Object.entries(inputs).map(([name, value], i) => ({
      name,
      shape: value.shape,
      datatype: OIP_DATATYPE[value.dtype],
      parameters: { binary_data_size: parts[i]?.byteLength ?? 0 },
    })),
    parameters: { binary_data_output: true },
  });
  const json = Buffer.from(header);
  return {
    headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(json.length) },
    body: Buffer.concat([json, ...parts]),
  };
}

interface WireOutput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: string;
  readonly parameters?: { readonly binary_data_size?: number };
}

/** The tensors of a binary answer. @throws REQUEST_MALFORMED */
export function decodeBinary(headerLength: string | null, body: Buffer): Tensors {
  const length = headerLength === null ? body.length : Number(headerLength);
  const { outputs } = JSON.parse(body.toString('utf8', 0, length)) as { outputs: readonly WireOutput[] };
  let offset = length;
  const decoded: Record<string, Tensor> = {};
  for (const output of outputs) {
    const size = output.parameters?.binary_data_size;
    if (size === undefined || offset + size > body.length) {
      throw fail('REQUEST_MALFORMED', {
        problem: `the answer of the server lacks the bytes of output "${output.name}"`,
      });
    }
    const bytes = body.subarray(offset, offset + size);
    offset += size;
    const dtype = dtypeOf(output.datatype);
    decoded[output.name] =
      dtype === 'string'
        ? { dtype, shape: output.shape, data: readStrings(bytes, elementCount(output.shape)) }
        : fromBytes(dtype, output.shape, bytes, `output "${output.name}"`);
  }
  return decoded;
}

/** BYTES: each element is its length as 32 bits, then its bytes. */
function rawBytes(value: Tensor): Uint8Array {
  if (value.dtype !== 'string') return bytesOf(value.data);
  return Buffer.concat(
    value.data.flatMap((text) => {
      const bytes = Buffer.from(text);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}

function readStrings(bytes: Buffer, count: number): string[] {
  const strings: string[] = [];
  let offset = 0;
  while (strings.length < count && offset + 4 <= bytes.length) {
    const length = bytes.readUInt32LE(offset);
    strings.push(bytes.toString('utf8', offset + 4, offset + 4 + length));
    offset += 4 + length;
  }
  if (strings.length !== count) {
    throw fail('REQUEST_MALFORMED', { problem: 'the answer of the server ends inside a string' });
  }
  return strings;
}
