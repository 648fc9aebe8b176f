/**
 * In which form an answer goes out: JSON, as the protocol of the route writes it, unless the client asks for another by `Accept`.
 * What the outputs of the model cannot be written as is not offered, so it is refused before anything is executed.
 */
import { fail, type Signature, type Tensor, type Tensors, writeNpy, writeNpz } from '@slipway/core';
import { chooseType, type MediaType } from '../http/media-types.ts';
import { JsonWriter } from '../json/writer.ts';
import type { Reply, ServedVersion } from '../protocols/gateway.ts';
import { writeInferReply } from '../protocols/inference/infer-reply.ts';
import { answerOutputs } from '../protocols/inference/outputs.ts';
import { requestedOutputs } from '../protocols/inference/parameters.ts';
import { SharedMemory } from '../protocols/inference/shared-memory.ts';
import { writeArrow } from './arrow-write.ts';
import { writeCsv } from './csv.ts';

export type AnswerWriter = (version: ServedVersion, outputs: Tensors) => Reply;

interface Form {
  readonly type: string;
  /** Whether it holds one tensor only. */
  readonly single?: true;
  write(version: ServedVersion, outputs: Tensors, asked: MediaType): Reply;
}

const JSON_TYPE = 'application/json';

const form = (type: string, write: (signature: Signature, outputs: Tensors, asked: MediaType) => Uint8Array): Form => ({
  type,
  write({ signature }, outputs, asked) {
    const bytes = write(signature, outputs, asked);
    return { contentType: type, body: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
  },
});

/** Regions belong to the routes of that protocol. */
export const NO_MEMORY: SharedMemory = new SharedMemory({ allowed: false, maxBytes: 0 });

/** Beside JSON, in the order in which they are preferred when the client does not mind. */
const FORMS: readonly Form[] = [
  {
    ...form('application/x-npy', (signature, outputs) => writeNpy(ordered(signature, outputs)[0]?.[1] as Tensor)),
    single: true,
  },
  form('application/x-npz', (signature, outputs) => writeNpz(ordered(signature, outputs), 'stored')),
  form('application/vnd.apache.arrow.stream', (signature, outputs) => writeArrow(signature, outputs, 'stream')),
  form('application/vnd.apache.arrow.file', (signature, outputs) => writeArrow(signature, outputs, 'file')),
  form('text/csv', (signature, outputs, { parameters }) =>
    writeCsv(signature, outputs, parameters.get('header') === 'present'),
  ),
  // The binary tensors of the Open Inference Protocol, which say what they are.
  {
    type: 'application/octet-stream',
    write(version, outputs) {
      const answered = answerOutputs(version, requestedOutputs([], true, version.signature), outputs, NO_MEMORY);
      return writeInferReply(new JsonWriter('string'), version, null, answered);
    },
  },
];

const ordered = (signature: Signature, outputs: Tensors): (readonly [string, Tensor])[] =>
  signature.outputs.map(({ name }) => [name, outputs[name] as Tensor]);

/**
 * @param accept the header
 * @returns null: as the protocol does
 * @throws NOT_ACCEPTABLE
 */
export function answerWriter(accept: string | undefined, signature: Signature): AnswerWriter | null {
  if (accept === undefined || accept === '*/*' || accept === JSON_TYPE || accept.trim() === '') return null;
  const forms = FORMS.filter(({ single }) => single !== true || signature.outputs.length === 1);
  const offered = [JSON_TYPE, ...forms.map(({ type }) => type)];
  const { index, type } = chooseType(accept, offered);
  if (index === 0) return null;
  const chosen = forms[index - 1];
  if (chosen === undefined) {
    throw fail('NOT_ACCEPTABLE', { accept: `"${accept.slice(0, 100)}"`, offered: offered.join(', ') });
  }
  return (version, outputs) => chosen.write(version, outputs, type);
}
