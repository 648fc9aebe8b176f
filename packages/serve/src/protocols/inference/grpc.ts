/**
 * `inference.GRPCInferenceService`: the six calls of the Open Inference Protocol, and Triton's. A stream answers in the order it
 * was asked, as Triton does for models with one answer each.
 */
import { OIP_DATATYPE, type TensorSpec, type SlipwayError } from '@slipway/core';
import type { Call, Incoming, Method, Methods } from '../../grpc/method.ts';
import { ProtoReader } from '../../grpc/reader.ts';
import { ProtoWriter } from '../../grpc/writer.ts';
import type { Models, Selector } from '../gateway.ts';
import { clientSignature } from './client-signature.ts';
import type { InferenceContext } from './context.ts';
import { PLATFORM, readTarget, readyVersions, selectorOf } from './describe.ts';
import { type InferMessage, readInferMessage, readInputs, writeInferResponse } from './infer-message.ts';
import { managementMethods } from './management-grpc.ts';
import { answerOutputs } from './outputs.ts';
import { readRequestParameters, type RequestedOutput, requestedOutputs } from './parameters.ts';
import { InferStream } from './stream.ts';
import { mergeTerms } from '../../schedule/terms.ts';

export const INFERENCE_SERVICE = 'inference.GRPCInferenceService';

export function inferenceMethods(context: InferenceContext): Methods {
  const { server } = context;
  const { models } = context.gateway;
  const methods: Readonly<Record<string, Method>> = {
    ServerLive: unary(() => new ProtoWriter().bool(1, true)),
    ServerReady: unary(() => new ProtoWriter().bool(1, models.ready)),
    ModelReady: unary((reader) => {
      const { model, selector } = readTarget(reader);
      return new ProtoWriter().bool(1, isReady(models, model, selector));
    }),
    ServerMetadata: unary(() => {
      const writer = new ProtoWriter().string(1, server.name).string(2, server.version);
      for (const extension of server.extensions) writer.string(3, extension);
      return writer;
    }),
    ModelMetadata: unary((reader) => {
      const { model, selector } = readTarget(reader);
      const signature = clientSignature(models.find(model, selector));
      const writer = new ProtoWriter().string(1, model);
      for (const version of readyVersions(models, model)) writer.string(2, version);
      writer.string(3, PLATFORM);
      for (const spec of signature.inputs) writer.message(4, tensorMetadata(spec));
      for (const spec of signature.outputs) writer.message(5, tensorMetadata(spec));
      return writer;
    }),
    ...managementMethods(context),
    ModelInfer: {
      kind: 'unary',
      handle(call, bytes) {
        infer(context, call, readInferMessage(bytes), false, {
          answer: (message) => call.reply(message),
          fail: (error) => call.fail(error),
        });
      },
    },
    ModelStreamInfer: {
      kind: 'stream',
      open: (call, resume): Incoming =>
        new InferStream(call, resume, (bytes, answers) => infer(context, call, readInferMessage(bytes), true, answers)),
    },
  };
  return Object.fromEntries(Object.entries(methods).map(([name, method]) => [`/${INFERENCE_SERVICE}/${name}`, method]));
}

export interface Answers {
  answer(response: ProtoWriter): void;
  fail(error: SlipwayError, id: string): void;
}

function infer(
  { gateway, memory }: InferenceContext,
  call: Call,
  request: InferMessage,
  streamed: boolean,
  answers: Answers,
): void {
  let outputs: readonly RequestedOutput[] = [];
  const read: Buffer[] = [];
  gateway.run(request.model, selectorOf(request.version), {
    decode({ signature }) {
      const { binaryOutput: _, ...terms } = readRequestParameters(request.parameters);
      outputs = requestedOutputs(request.outputs, false, signature);
      return { inputs: readInputs(request, memory, read), ...mergeTerms(terms, call.terms()) };
    },
    answer(version, tensors) {
      memory.give(read);
      const answered = answerOutputs(version, outputs, tensors, memory);
      answers.answer(writeInferResponse(version, request, answered, streamed));
    },
    fail: (error) => answers.fail(error, request.id),
    onClose: (cancel) => call.onClose(cancel),
  });
}

function unary(answer: (request: ProtoReader) => ProtoWriter): Method {
  return { kind: 'unary', handle: (call, bytes) => call.reply(answer(new ProtoReader(bytes))) };
}

/** A model that is not there is not ready: the protocol has a word for that. */
function isReady(models: Models, model: string, selector: Selector): boolean {
  try {
    models.find(model, selector);
    return true;
  } catch {
    return false;
  }
}

function tensorMetadata({ name, dtype, shape }: TensorSpec): ProtoWriter {
  const dims = (shape ?? [-1]).map((dim) => (typeof dim === 'number' ? dim : -1));
  return new ProtoWriter().string(1, name).string(2, OIP_DATATYPE[dtype]).packed(3, dims);
}
