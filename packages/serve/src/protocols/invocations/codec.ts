/**
 * One route for requests of every shape: `POST /invocations` is what SageMaker and MLflow call whatever protocol the client
 * speaks, and Vertex AI and Azure ML have one of their own. The shape of the JSON says which it is, and the answer has
 * the shape that goes with it:
 *
 * | request                                                | answer                     |
 * | ------------------------------------------------------ | -------------------------- |
 * | `{"instances": […]}` (TensorFlow Serving, Vertex AI)    | `{"predictions": […]}`     |
 * | `{"inputs": {…}}` (MLflow)                              | `{"predictions": …}`       |
 * | `{"dataframe_split": …}`, `{"dataframe_records": …}`    | `{"predictions": […]}`     |
 * | `{"inputs": [{"name", "shape", "datatype", "data"}]}`   | as in the Open Inference Protocol |
 * | an array, or an object with a member per input          | the output as it is        |
 *
 * `parameters` beside `instances` is taken and means nothing, as in any container that has none to offer.
 */
import { NO_MEMORY } from '../../content/answer.ts';
import { isObject, type JsonObject, type JsonValue } from '../../json/parse.ts';
import type { JsonWriter } from '../../json/writer.ts';
import type { Codec } from '../gateway.ts';
import { writeInferReply } from '../inference/infer-reply.ts';
import { type InferRequest, readInferRequest } from '../inference/infer-request.ts';
import { answerOutputs } from '../inference/outputs.ts';
import { readPlain, writePlain } from '../plain/predict.ts';
import { writePredictReply } from '../tensorflow/predict-reply.ts';
import { readPredictRequest } from '../tensorflow/predict-request.ts';
import { readRecordsFrame, readSplitFrame } from './frame.ts';

type Shape =
  | { readonly kind: 'predictions' }
  | { readonly kind: 'plain'; readonly oneRow: boolean }
  | { readonly kind: 'infer'; readonly request: InferRequest };

/** For one request. */
export function invocationCodec(writer: JsonWriter): Codec {
  let shape: Shape = { kind: 'plain', oneRow: false };
  return {
    decode: (version, value, bytes) => {
      const { accepts } = version;
      if (isInferRequest(value)) {
        const request = readInferRequest(value, {
          json: bytes,
          raw: Buffer.alloc(0),
          signature: accepts,
          memory: NO_MEMORY,
        });
        shape = { kind: 'infer', request };
        return request;
      }
      const predictions = { kind: 'predictions' } as const;
      if (isObject(value) && value.dataframe_split !== undefined) {
        shape = predictions;
        return { inputs: readSplitFrame(value.dataframe_split, bytes, accepts), timeoutMs: null };
      }
      if (isObject(value) && value.dataframe_records !== undefined) {
        shape = predictions;
        return { inputs: readRecordsFrame(value.dataframe_records, bytes, accepts), timeoutMs: null };
      }
      const takes = (name: string): boolean => accepts.inputs.some((spec) => spec.name === name);
      if (isObject(value) && ['instances', 'inputs'].some((key) => value[key] !== undefined && !takes(key))) {
        shape = predictions;
        return { inputs: readPredictRequest(value, bytes, accepts).inputs, timeoutMs: null };
      }
      const { inputs, oneRow } = readPlain(value, bytes, accepts);
      shape = { kind: 'plain', oneRow };
      return { inputs, timeoutMs: null };
    },
    encode: (version, outputs) => {
      if (shape.kind === 'infer') {
        const answered = answerOutputs(version, shape.request.outputs, outputs, NO_MEMORY);
        return writeInferReply(writer, version, shape.request.id, answered);
      }
      if (shape.kind === 'predictions') {
        const format = byRow(version.signature.outputs.length, outputs) ? 'row' : 'columnar';
        return { contentType: 'application/json', body: writePredictReply(writer, version.signature, outputs, format) };
      }
      writer.reset();
      writePlain(writer, version.signature, outputs, shape.oneRow);
      return { contentType: 'application/json', body: writer.finish() };
    },
  };
}

/** Several outputs are zipped by row where each has as many. */
function byRow(count: number, outputs: Readonly<Record<string, { readonly shape: readonly number[] }>>): boolean {
  if (count === 1) return true;
  const rows = Object.values(outputs).map(({ shape }) => shape[0]);
  return rows.every((value) => value !== undefined && value === rows[0]);
}

function isInferRequest(value: JsonValue): value is JsonObject {
  if (!isObject(value) || !Array.isArray(value.inputs)) return false;
  const [first] = value.inputs;
  return isObject(first) && first.name !== undefined && first.datatype !== undefined;
}
