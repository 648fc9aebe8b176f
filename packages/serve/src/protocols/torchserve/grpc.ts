/**
 * TorchServe's gRPC services. A prediction has its input as a map of bytes: one entry, usually `data`, is the body that the
 * REST API would be given; with the names of inputs as keys each is the JSON of that input. The answer is the JSON of the
 * output. Definitions: proto/torchserve_inference.proto and proto/torchserve_management.proto.
 */
import { asSlipwayError, fail, type Signature, type SlipwayError, type Tensor, type Tensors } from '@slipway/core';
import { readTextBody } from '../../content/text.ts';
import type { Call, Method, Methods } from '../../grpc/method.ts';
import { ProtoReader } from '../../grpc/reader.ts';
import { ProtoWriter } from '../../grpc/writer.ts';
import { JsonParser, type JsonObject, type JsonValue } from '../../json/parse.ts';
import { readTensor } from '../../json/tensor.ts';
import { JsonWriter } from '../../json/writer.ts';
import type { Gateway } from '../gateway.ts';
import { addTensor } from '../inference/binary.ts';
import { readPlain, writePlain } from '../plain/predict.ts';
import type { Answer, Management } from './management.ts';
import { selectorOf } from './words.ts';

export const TORCHSERVE_INFERENCE = 'org.pytorch.serve.grpc.inference.InferenceAPIsService';
export const TORCHSERVE_MANAGEMENT = 'org.pytorch.serve.grpc.management.ManagementAPIsService';

const MOST_INPUTS = 1000;

export function torchServeMethods(gateway: Gateway, management: Management): Methods {
  const managed = (make: (reader: Fields) => Answer | Promise<Answer>): Method => ({
    kind: 'unary',
    handle: (call, bytes) => answer(call, () => make(new Fields(bytes))),
  });
  return {
    [`/${TORCHSERVE_INFERENCE}/Ping`]: {
      kind: 'unary',
      handle: (call) => call.reply(new ProtoWriter().string(1, gateway.models.ready ? 'Healthy' : 'Unhealthy')),
    },
    [`/${TORCHSERVE_INFERENCE}/Predictions`]: {
      kind: 'unary',
      handle: (call, bytes) => predict(gateway, call, bytes, (message) => call.reply(message)),
    },
    // A model here answers once; the stream has that one message.
    [`/${TORCHSERVE_INFERENCE}/StreamPredictions`]: {
      kind: 'unary',
      handle: (call, bytes) =>
        predict(gateway, call, bytes, (message) => {
          call.send(message);
          call.end();
        }),
    },
    [`/${TORCHSERVE_MANAGEMENT}/DescribeModel`]: managed((of) =>
      management.describe(of.required(1), of.text(2) ?? null),
    ),
    [`/${TORCHSERVE_MANAGEMENT}/ListModels`]: managed((of) => management.list(of.number(1) ?? 100, of.number(2) ?? 0)),
    [`/${TORCHSERVE_MANAGEMENT}/RegisterModel`]: managed((of) =>
      management.register({
        url: of.text(9),
        modelName: of.text(5),
        batchSize: of.number(1),
        maxBatchDelay: of.number(4),
        initialWorkers: of.number(3),
        responseTimeout: of.number(6),
        synchronous: of.number(8) === 1,
      }),
    ),
    [`/${TORCHSERVE_MANAGEMENT}/ScaleWorker`]: managed((of) =>
      management.scale(of.required(1), of.number(4), of.number(6) === 1),
    ),
    [`/${TORCHSERVE_MANAGEMENT}/SetDefault`]: managed((of) => management.setDefault(of.required(1), of.required(2))),
    [`/${TORCHSERVE_MANAGEMENT}/UnregisterModel`]: managed((of) => management.unregister(of.required(1), of.text(2))),
  };
}

function predict(gateway: Gateway, call: Call, bytes: Buffer, reply: (message: ProtoWriter) => void): void {
  const reader = new ProtoReader(bytes);
  let model = '';
  let version: string | undefined;
  const given = new Map<string, Buffer>();
  while (reader.next()) {
    if (reader.field === 1) model = reader.string();
    else if (reader.field === 2) version = reader.string() || undefined;
    else if (reader.field === 3) readEntry(reader.message(), given);
    else reader.skip();
    if (given.size > MOST_INPUTS) throw malformed(`more than ${MOST_INPUTS} inputs`);
  }
  if (model === '') throw malformed('model_name is missing');
  let oneRow = false;
  gateway.run(model, selectorOf(gateway, model, version), {
    decode: ({ accepts }) => {
      const request = readGiven(given, accepts);
      oneRow = request.oneRow;
      return { inputs: request.inputs, ...call.terms() };
    },
    answer: ({ signature }, outputs) => {
      const writer = new JsonWriter('string');
      writePlain(writer, signature, outputs, oneRow);
      reply(new ProtoWriter().bytes(1, writer.finish()));
    },
    fail: (error) => call.fail(error),
    onClose: (cancel) => call.onClose(cancel),
  });
}

function readGiven(given: ReadonlyMap<string, Buffer>, signature: Signature): { inputs: Tensors; oneRow: boolean } {
  const named = signature.inputs.filter(({ name }) => given.has(name));
  const [first] = given.values();
  if (first === undefined) throw malformed('input is empty');
  if (named.length === 0 && given.size === 1) {
    const [spec] = signature.inputs;
    const bytesWanted = spec?.dtype === 'string' && signature.inputs.length === 1;
    if (bytesWanted) return { inputs: readTextBody(first, signature, 'a prediction'), oneRow: false };
    return readPlain(parse(first), first, signature);
  }
  const strange = [...given.keys()].find((name) => !signature.inputs.some((spec) => spec.name === name));
  const known = signature.inputs.map(({ name }) => `"${name}"`).join(', ');
  if (strange !== undefined) {
    throw malformed(`"${strange.slice(0, 100)}" is not an input of the model; it takes ${known}`);
  }
  const [only] = named;
  if (only !== undefined && signature.inputs.length === 1) {
    const wrapped: JsonObject = Object.create(null) as JsonObject;
    wrapped[only.name] = parse(first);
    return readPlain(wrapped, first, signature);
  }
  const inputs: Record<string, Tensor> = {};
  for (const spec of signature.inputs) {
    const bytes = given.get(spec.name);
    if (bytes === undefined) throw malformed(`the input "${spec.name}" is missing`);
    addTensor(inputs, spec.name, readTensor(parse(bytes), spec, bytes, `input "${spec.name}"`));
  }
  return { inputs, oneRow: false };
}

const parse = (bytes: Buffer): JsonValue => new JsonParser({ nonFinite: false }).parse(bytes);

function readEntry(reader: ProtoReader, into: Map<string, Buffer>): void {
  let name = '';
  let value: Buffer = Buffer.alloc(0);
  while (reader.next()) {
    if (reader.field === 1) name = reader.string();
    else if (reader.field === 2) value = reader.bytes();
    else reader.skip();
  }
  into.set(name, value);
}

/** The document of an answer, as the text of a ManagementResponse. */
function answer(call: Call, make: () => Answer | Promise<Answer>): void {
  const send = ({ document }: Answer): void =>
    call.reply(new ProtoWriter().string(1, JSON.stringify(document, null, 2)));
  Promise.resolve()
    .then(make)
    .then(send)
    .catch((thrown: unknown) => call.fail(asSlipwayError(thrown)));
}

/** A message of texts and small numbers. Defaults are left out on the wire, so what is not there was not given. */
class Fields {
  readonly #texts = new Map<number, string>();
  readonly #numbers = new Map<number, number>();

  constructor(bytes: Buffer) {
    const reader = new ProtoReader(bytes);
    while (reader.next()) {
      if (reader.wire === 2) this.#texts.set(reader.field, reader.string());
      else if (reader.wire === 0) this.#numbers.set(reader.field, reader.int32());
      else reader.skip();
    }
  }

  text(field: number): string | undefined {
    return this.#texts.get(field);
  }

  required(field: number): string {
    const text = this.#texts.get(field);
    if (text === undefined || text === '') {
      throw malformed(field === 1 ? 'model_name is missing' : `field ${field} is missing`);
    }
    return text;
  }

  number(field: number): number | undefined {
    return this.#numbers.get(field);
  }
}

const malformed = (problem: string): SlipwayError => fail('REQUEST_MALFORMED', { problem });
