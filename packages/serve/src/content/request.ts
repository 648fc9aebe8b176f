/**
 * What the headers of a request say about its content: the form of the body, the form of the answer, binary tensors behind JSON.
 * The one hook of the gateway: so every protocol over HTTP has it, and none knows of it.
 */
import { type Signature } from '@slipway/core';
import type { Exchange } from '../http/exchange.ts';
import { bodyFormat } from '../http/media-types.ts';
import { JsonWriter } from '../json/writer.ts';
import type { Codec, JsonText } from '../protocols/gateway.ts';
import { writeInferReply } from '../protocols/inference/infer-reply.ts';
import {
  type InferRequest,
  jsonLength,
  readInferRequest,
  readRawRequest,
} from '../protocols/inference/infer-request.ts';
import { answerOutputs } from '../protocols/inference/outputs.ts';
import { NO_MEMORY } from './answer.ts';
import type { BodyTask } from './body.ts';
import { isText } from './text.ts';

/** From here on JSON is worth a word: reading it takes longer than most models. */
const LARGE_JSON_BYTES = 1024 * 1024;

/**
 * How the body is to be read; null: as the protocol does.
 * @param ownBinary the protocol reads octets itself
 * @throws MEDIA_TYPE_UNSUPPORTED
 */
export function contentTask(exchange: Exchange, signature: Signature, ownBinary: boolean): BodyTask | null {
  const contentType = exchange.header('content-type');
  const format = bodyFormat(contentType);
  if (format === 'json' || (format === 'raw' && ownBinary)) return null;
  if (format === 'text' && !isText(exchange.body, signature)) return null;
  const shape = format === 'raw' ? (exchange.header('x-slipway-shape') ?? queryShape(exchange.query)) : null;
  return { format, contentType: contentType ?? '', shape, signature };
}

const queryShape = (query: string): string | null => (query === '' ? null : new URLSearchParams(query).get('shape'));

/**
 * The binary tensors of the Open Inference Protocol on the route of another: the message is the one and the other protocol names
 * the model and words the errors.
 * @param length the header Inference-Header-Content-Length
 * @throws REQUEST_MALFORMED
 */
export function binaryMessage(
  exchange: Exchange,
  length: string,
  route: Codec,
): { json: JsonText | null; codec: Codec } {
  const { body } = exchange;
  const split = jsonLength(body, length);
  const raw = body.subarray(split);
  const json = split === 0 && body.length > 0 ? null : { bytes: body.subarray(0, split), nonFinite: false };
  let request: InferRequest;
  const codec: Codec = {
    ownBinary: true,
    decode(version, value, bytes) {
      const { accepts } = version;
      request =
        json === null
          ? readRawRequest(raw, accepts)
          : readInferRequest(value, { json: bytes, raw, signature: accepts, memory: NO_MEMORY });
      return request;
    },
    encode(version, outputs) {
      const answered = answerOutputs(version, request.outputs, outputs, NO_MEMORY);
      return writeInferReply(new JsonWriter('string'), version, request.id, answered);
    },
    ...(route.encodeError === undefined ? {} : { encodeError: route.encodeError }),
  };
  return { json, codec };
}

/** A header for who sends or gets much JSON; null otherwise. */
export function sizeHint(requestJson: number, contentType: string, answerBytes: number): readonly string[] | null {
  const json = Math.max(requestJson, contentType === 'application/json' ? answerBytes : 0);
  if (json < LARGE_JSON_BYTES) return null;
  const megabytes = (json / 1024 / 1024).toFixed(1);
  return [
    'x-slipway-hint',
    `${megabytes} MiB of JSON; binary tensors are smaller and much faster: Content-Type or Accept application/x-npy, application/x-npz, application/vnd.apache.arrow.stream`,
  ];
}
