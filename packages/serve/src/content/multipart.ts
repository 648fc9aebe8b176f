/**
 * `multipart/form-data`: one part per input, under its name; `data` stands for the only input, as TorchServe's clients call it.
 * Each part is what it says it is: JSON, text, `.npy` (also by its file name), or the raw bytes of the tensor. Parts of one name are
 * rows: three images are three parts.
 */
import { Busboy, type BusboyInstance } from '@fastify/busboy';
import type { Signature, Tensor, Tensors, TensorSpec } from '@slipway/core';
import { concatRows, parseNpy } from '@slipway/core';
import { JsonParser } from '../json/parse.ts';
import { readTensor } from '../json/tensor.ts';
import { fitInput, malformed, namesOf } from './fit.ts';
import { asRequest } from './numpy.ts';
import { rawTensor } from './raw.ts';
import { textTensor } from './text.ts';

/** More parts than rows anybody sends as parts. */
const MAX_PARTS = 4096;
const MAX_NAME_BYTES = 200;
const MAX_HEADER_BYTES = 8192;
const MAX_HEADERS = 20;

interface Part {
  readonly name: string;
  readonly type: string;
  readonly file: string;
  readonly bytes: Buffer;
}

/** @param contentType the header, for its boundary. @throws REQUEST_MALFORMED, TENSOR_INVALID */
export async function readMultipartBody(body: Buffer, signature: Signature, contentType: string): Promise<Tensors> {
  const byInput = new Map<TensorSpec, Part[]>();
  for (const part of await readParts(body, contentType)) {
    const spec = inputOf(part.name, signature);
    const parts = byInput.get(spec);
    if (parts === undefined) byInput.set(spec, [part]);
    else parts.push(part);
  }
  const named: Record<string, Tensor> = {};
  for (const spec of signature.inputs) {
    const parts = byInput.get(spec);
    if (parts === undefined) throw malformed(`the form has no part "${spec.name}"`);
    named[spec.name] = readInput(parts, spec);
  }
  return named;
}

function inputOf(name: string, signature: Signature): TensorSpec {
  const exact = signature.inputs.find((spec) => spec.name === name);
  if (exact !== undefined) return exact;
  const [only] = signature.inputs;
  if (only !== undefined && signature.inputs.length === 1 && name === 'data') return only;
  throw malformed(`the part "${name.slice(0, 100)}" is not an input of the model; it takes ${namesOf(signature)}`);
}

function readInput(parts: readonly Part[], spec: TensorSpec): Tensor {
  if (spec.dtype === 'string' && parts.every((part) => kindOf(part, spec) === 'element')) {
    return textTensor(
      parts.map(({ bytes }) => bytes),
      spec,
    );
  }
  const tensors = parts.map((part) => readPart(part, spec));
  const [first] = tensors;
  if (first !== undefined && tensors.length === 1) return first;
  const rows = tensors.every(({ shape }) => shape.length > 0 && shape.slice(1).join() === first?.shape.slice(1).join());
  if (!rows) throw malformed(`the parts "${spec.name}" are rows, and differ in shape`);
  return concatRows(tensors);
}

function kindOf({ type, file, bytes }: Part, spec: TensorSpec): 'npy' | 'json' | 'raw' | 'element' {
  if (type === 'application/x-npy' || file.endsWith('.npy')) return 'npy';
  if (type === 'application/json' || file.endsWith('.json')) return 'json';
  if (spec.dtype === 'string') return 'element';
  if (bytes.subarray(0, 6).equals(NUMPY)) return 'npy';
  return type === 'text/plain' ? 'json' : 'raw';
}

const NUMPY = Buffer.from('\x93NUMPY', 'latin1');

function readPart(part: Part, spec: TensorSpec): Tensor {
  const where = `part "${spec.name}"`;
  switch (kindOf(part, spec)) {
    case 'npy':
      return fitInput(
        asRequest(() => parseNpy(part.bytes, where)),
        spec,
      );
    case 'json': {
      const value = new JsonParser({ nonFinite: false }).parse(part.bytes);
      return fitInput(readTensor(value, { ...spec, shape: null }, part.bytes, where), spec);
    }
    case 'raw':
      return rawTensor(part.bytes, spec, null);
    case 'element':
      return textTensor([part.bytes], spec);
  }
}

/** Every part in order, whole. */
function readParts(body: Buffer, contentType: string): Promise<Part[]> {
  return new Promise((resolve, reject) => {
    let form: BusboyInstance;
    try {
      form = new Busboy({
        headers: { 'content-type': contentType },
        // Everything is a file, so that no part is decoded before it is known what it is.
        isPartAFile: () => true,
        highWaterMark: body.length + 1,
        fileHwm: body.length + 1,
        limits: { files: MAX_PARTS, parts: MAX_PARTS, headerPairs: MAX_HEADERS, headerSize: MAX_HEADER_BYTES },
      });
    } catch {
      reject(malformed('the Content-Type multipart/form-data has no boundary'));
      return;
    }
    const parts: Part[] = [];
    form.on('file', (name: string | undefined, stream, file: string | undefined, encoding, type) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', () => undefined);
      if (name === undefined || Buffer.byteLength(name) > MAX_NAME_BYTES) {
        reject(malformed(`a part of the form has ${name === undefined ? 'no name' : 'a name that is too long'}`));
      } else if (encoding !== '7bit' && encoding !== '8bit' && encoding !== 'binary') {
        reject(
          malformed(`the part "${name}" has the transfer encoding "${encoding.slice(0, 40)}"; send bytes as they are`),
        );
      }
      stream.on('end', () => parts.push({ name: name ?? '', type, file: file ?? '', bytes: Buffer.concat(chunks) }));
    });
    const tooMany = (): void => reject(malformed(`the form has more than ${MAX_PARTS} parts`));
    form.on('partsLimit', tooMany).on('filesLimit', tooMany);
    form.on('error', (error) => {
      reject(malformed(`the form cannot be read: ${error instanceof Error ? error.message : String(error)}`));
    });
    form.on('finish', () => resolve(parts));
    form.end(body);
  });
}
