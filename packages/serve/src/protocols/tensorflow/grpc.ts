/**
 * `tensorflow.serving.PredictionService` and `ModelService`: every call of theirs; those that take tf.Example are in
 * example-calls.ts.
 */
import {
  asSlipwayError,
  fail,
  type Signature,
  type SlipwayError,
  type Tensor,
  type TensorSpec,
  type Tensors,
} from '@slipway/core';
import type { Call, Method, Methods } from '../../grpc/method.ts';
import { ProtoReader } from '../../grpc/reader.ts';
import { ProtoWriter } from '../../grpc/writer.ts';
import type { Gateway, Selector } from '../gateway.ts';
import { addTensor } from '../inference/binary.ts';
import { statusDocument } from './describe.ts';
import { classify, multiInference, regress } from './example-calls.ts';
import { type ModelSpec, named, NO_SPEC, readModelSpec, refuse, writeModelSpec } from './model-spec.ts';
import { reloadConfig } from './reload-config.ts';
import { SIGNATURE_NAME, signatureNamed } from './signatures.ts';
import { servableWords, statusWords } from './words.ts';
import { readTensorProto, TENSOR_ENCODING, writeShape, writeTensorProto } from './tensor-proto.ts';

export const PREDICTION_SERVICE = 'tensorflow.serving.PredictionService';
export const MODEL_SERVICE = 'tensorflow.serving.ModelService';

/** @param mostBytes of one tensor of a request */
export function tensorflowMethods(gateway: Gateway, mostBytes: number): Methods {
  const prediction: Readonly<Record<string, Method>> = {
    Predict: { kind: 'unary', handle: (call, bytes) => predict(gateway, call, bytes, mostBytes) },
    GetModelMetadata: { kind: 'unary', handle: (call, bytes) => getMetadata(gateway, call, bytes) },
    Classify: { kind: 'unary', handle: (call, bytes) => classify(gateway, call, bytes, mostBytes) },
    Regress: { kind: 'unary', handle: (call, bytes) => regress(gateway, call, bytes, mostBytes) },
    MultiInference: { kind: 'unary', handle: (call, bytes) => multiInference(gateway, call, bytes, mostBytes) },
  };
  const model: Readonly<Record<string, Method>> = {
    GetModelStatus: { kind: 'unary', handle: (call, bytes) => getStatus(gateway, call, bytes) },
    HandleReloadConfigRequest: { kind: 'unary', handle: (call, bytes) => reloadConfig(gateway, call, bytes) },
  };
  const session: Readonly<Record<string, Method>> = { SessionRun: { kind: 'unary', handle: refuseSession } };
  return {
    ...within(PREDICTION_SERVICE, prediction),
    ...within(MODEL_SERVICE, model),
    ...within('tensorflow.serving.SessionService', session),
  };
}

const within = (service: string, methods: Readonly<Record<string, Method>>): Methods =>
  Object.fromEntries(Object.entries(methods).map(([name, method]) => [`/${service}/${name}`, method]));

function refuseSession(): never {
  throw fail('NOT_IMPLEMENTED', {
    problem:
      'SessionRun feeds and fetches tensors of a TensorFlow graph, which an ONNX model does not have; use Predict',
  });
}

function predict(gateway: Gateway, call: Call, bytes: Buffer, mostBytes: number): void {
  const reader = new ProtoReader(bytes);
  let spec: ModelSpec = NO_SPEC;
  const tensors = new Map<string, Buffer>();
  const filter: string[] = [];
  while (reader.next()) {
    if (reader.field === 1) spec = readModelSpec(reader.message());
    else if (reader.field === 2) readEntry(reader.message(), tensors);
    else if (reader.field === 3) filter.push(reader.string());
    else reader.skip();
    if (tensors.size + filter.length > MOST) throw malformed(`more than ${MOST} tensors`);
  }
  const { model, selector } = named(spec);
  let signatureName = SIGNATURE_NAME;
  gateway.run(model, selector, {
    decode({ signature, accepts }) {
      signatureName = signatureNamed(spec.signature, 'predict');
      checkFilter(filter, signature);
      checkNames(tensors, accepts);
      const inputs: Record<string, Tensor> = {};
      for (const [name, tensor] of tensors) {
        addTensor(inputs, name, readTensorProto(tensor, `input "${name}"`, mostBytes));
      }
      return { inputs, ...call.terms() };
    },
    answer(version, outputs) {
      const names = filter.length > 0 ? filter : version.signature.outputs.map(({ name }) => name);
      const writer = new ProtoWriter();
      for (const name of names) {
        const tensor = writeTensorProto(outputs[name] as Tensors[string]);
        writer.message(1, new ProtoWriter().string(1, name).message(2, tensor));
      }
      call.reply(writer.message(2, writeModelSpec(version, signatureName)));
    },
    fail: (error) => refuse(call, error, spec),
    onClose: (cancel) => call.onClose(cancel),
  });
}

function getMetadata(gateway: Gateway, call: Call, bytes: Buffer): void {
  const reader = new ProtoReader(bytes);
  let spec: ModelSpec = NO_SPEC;
  const fields: string[] = [];
  while (reader.next()) {
    if (reader.field === 1) spec = readModelSpec(reader.message());
    else if (reader.field === 2) fields.push(reader.string());
    else reader.skip();
    if (fields.length > MOST) throw malformed(`more than ${MOST} metadata fields`);
  }
  if (fields.length === 0) throw malformed('GetModelMetadataRequest must specify at least one metadata_field');
  for (const field of fields) {
    if (field !== 'signature_def') throw malformed(`Metadata field ${field.slice(0, 100)} is not supported`);
  }
  answering(call, named(spec), servableWords, (model, selector) => {
    const version = gateway.models.find(model, selector);
    const map = new ProtoWriter().message(
      1,
      new ProtoWriter().string(1, SIGNATURE_NAME).message(2, signatureDef(version.signature)),
    );
    const any = new ProtoWriter().string(1, 'type.googleapis.com/tensorflow.serving.SignatureDefMap').message(2, map);
    return new ProtoWriter()
      .message(1, writeModelSpec(version, ''))
      .message(2, new ProtoWriter().string(1, 'signature_def').message(2, any));
  });
}

/** ModelVersionStatus.State and error.Code. */
const STATE: Readonly<Record<string, number>> = { START: 10, LOADING: 20, AVAILABLE: 30, UNLOADING: 40, END: 50 };
const ERROR_CODE: Readonly<Record<string, number>> = { OK: 0, UNKNOWN: 2 };

function getStatus(gateway: Gateway, call: Call, bytes: Buffer): void {
  const reader = new ProtoReader(bytes);
  let spec: ModelSpec = NO_SPEC;
  while (reader.next()) {
    if (reader.field === 1) spec = readModelSpec(reader.message());
    else reader.skip();
  }
  answering(call, named(spec), statusWords, (model, selector) => {
    const writer = new ProtoWriter();
    for (const { version, state, status } of statusDocument(gateway.models.status(model, selector))
      .model_version_status) {
      const detail = new ProtoWriter().int(1, ERROR_CODE[status.error_code] ?? 2).string(2, status.error_message);
      writer.message(
        1,
        new ProtoWriter()
          .int(1, Number(version))
          .int(2, STATE[state] ?? 0)
          .message(3, detail),
      );
    }
    return writer;
  });
}

function answering(
  call: Call,
  spec: ModelSpec,
  words: typeof servableWords,
  make: (model: string, of: Selector) => ProtoWriter,
): void {
  try {
    call.reply(make(spec.model, spec.selector));
  } catch (thrown) {
    refuse(call, asSlipwayError(thrown), spec, words);
  }
}

function readEntry(reader: ProtoReader, into: Map<string, Buffer>): void {
  let key = '';
  let value: Buffer = Buffer.alloc(0);
  while (reader.next()) {
    if (reader.field === 1) key = reader.string();
    else if (reader.field === 2) value = reader.bytes();
    else reader.skip();
  }
  into.set(key, value);
}

/** In TensorFlow Serving's words. @throws TENSOR_INVALID */
function checkNames(given: ReadonlyMap<string, unknown>, { inputs }: Signature): void {
  const wanted = inputs.map(({ name }) => name);
  const extra = [...given.keys()].filter((name) => !wanted.includes(name));
  const missing = wanted.filter((name) => !given.has(name));
  if (extra.length + missing.length === 0) return;
  const shown = (names: readonly string[]): string =>
    names
      .map((name) => name.slice(0, 100))
      .slice(0, 20)
      .join(',');
  throw fail('TENSOR_INVALID', {
    where: 'inputs',
    problem:
      `input size does not match signature: ${given.size}!=${wanted.length} len({${shown([...given.keys()])}}) != ` +
      `len({${shown(wanted)}}). Sent extra: {${shown(extra)}}. Missing but required: {${shown(missing)}}.`,
  });
}

function checkFilter(filter: readonly string[], { outputs }: Signature): void {
  const known = outputs.map(({ name }) => name);
  filter.forEach((name, index) => {
    if (!known.includes(name)) {
      const expected = known.join(',');
      throw malformed(
        `output tensor alias not found in signature: ${name.slice(0, 100)} Outputs expected to be in the set {${expected}}.`,
      );
    }
    if (filter.indexOf(name) !== index) throw malformed(`duplicate output tensor alias: ${name}`);
  });
}

function signatureDef(signature: Signature): ProtoWriter {
  const writer = new ProtoWriter();
  const add = (field: number, specs: readonly TensorSpec[]): void => {
    for (const { name, dtype, shape } of specs) {
      const dims = shape?.map((dim) => (typeof dim === 'number' ? dim : -1)) ?? null;
      const info = new ProtoWriter().string(1, name).int(2, TENSOR_ENCODING[dtype].type).message(3, writeShape(dims));
      writer.message(field, new ProtoWriter().string(1, name).message(2, info));
    }
  };
  add(1, signature.inputs);
  add(2, signature.outputs);
  return writer.string(3, 'tensorflow/serving/predict');
}

/** More tensors, outputs or fields are no request of anyone's. */
const MOST = 4096;

const malformed = (problem: string): SlipwayError => fail('REQUEST_MALFORMED', { problem });
