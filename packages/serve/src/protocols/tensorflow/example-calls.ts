/**
 * The calls of PredictionService that take tf.Example: Classify, Regress, and MultiInference, which asks for several of these of
 * one execution. What goes in: examples.ts; what comes out: results.ts.
 */
import { fail, type SlipwayError, type Tensors } from '@slipway/core';
import type { Call } from '../../grpc/method.ts';
import { ProtoReader } from '../../grpc/reader.ts';
import { ProtoWriter } from '../../grpc/writer.ts';
import type { Gateway, ServedVersion } from '../gateway.ts';
import { readInput } from './example-proto.ts';
import { type ModelSpec, named, NO_SPEC, readModelSpec, refuse, writeModelSpec } from './model-spec.ts';
import { classificationOf, regressionOf } from './results.ts';
import { type MethodName, signatureNamed } from './signatures.ts';

type Kind = Exclude<MethodName, 'predict'>;

/** More tasks than this are no request of anyone's. */
const MOST_TASKS = 64;

/** @param mostBytes of one input, in each of these */
export function classify(gateway: Gateway, call: Call, bytes: Buffer, mostBytes: number): void {
  one(gateway, call, bytes, mostBytes, 'classify');
}

export function regress(gateway: Gateway, call: Call, bytes: Buffer, mostBytes: number): void {
  one(gateway, call, bytes, mostBytes, 'regress');
}

/** ClassificationRequest and RegressionRequest have the same fields, and so have their responses. */
function one(gateway: Gateway, call: Call, bytes: Buffer, mostBytes: number, kind: Kind): void {
  const reader = new ProtoReader(bytes);
  let spec: ModelSpec = NO_SPEC;
  let input: Buffer = Buffer.alloc(0);
  while (reader.next()) {
    if (reader.field === 1) spec = readModelSpec(reader.message());
    else if (reader.field === 2) input = reader.bytes();
    else reader.skip();
  }
  const { model, selector } = named(spec);
  let signature = '';
  gateway.run(model, selector, {
    decode(version) {
      signature = signatureNamed(spec.signature, kind);
      return { inputs: readInput(input, version.accepts, mostBytes), ...call.terms() };
    },
    answer(version, outputs) {
      call.reply(
        new ProtoWriter()
          .message(1, writeResult(kind, version, outputs))
          .message(2, writeModelSpec(version, signature)),
      );
    },
    fail: (error) => refuse(call, error, spec),
    onClose: (cancel) => call.onClose(cancel),
  });
}

interface Task {
  readonly spec: ModelSpec;
  readonly method: string;
}

export function multiInference(gateway: Gateway, call: Call, bytes: Buffer, mostBytes: number): void {
  const reader = new ProtoReader(bytes);
  const tasks: Task[] = [];
  let input: Buffer = Buffer.alloc(0);
  while (reader.next()) {
    if (reader.field === 1) tasks.push(readTask(reader.message()));
    else if (reader.field === 2) input = reader.bytes();
    else reader.skip();
    if (tasks.length > MOST_TASKS) throw malformed(`more than ${MOST_TASKS} tasks`);
  }
  const { spec, kinds } = checkTasks(tasks);
  gateway.run(spec.model, spec.selector, {
    decode: (version) => ({
      inputs: readInput(input, version.accepts, mostBytes),
      ...call.terms(),
    }),
    answer(version, outputs) {
      const writer = new ProtoWriter();
      for (const { kind, signature } of kinds) {
        const result = new ProtoWriter()
          .message(1, writeModelSpec(version, signature))
          .message(kind === 'classify' ? 2 : 3, writeResult(kind, version, outputs));
        writer.message(1, result);
      }
      call.reply(writer);
    },
    fail: (error) => refuse(call, error, spec),
    onClose: (cancel) => call.onClose(cancel),
  });
}

function readTask(reader: ProtoReader): Task {
  let spec: ModelSpec = NO_SPEC;
  let method = '';
  while (reader.next()) {
    if (reader.field === 1) spec = readModelSpec(reader.message());
    else if (reader.field === 2) method = reader.string();
    else reader.skip();
  }
  return { spec, method };
}

/** All tasks ask one version of one model, each for something else. @throws REQUEST_MALFORMED, NOT_IMPLEMENTED */
function checkTasks(tasks: readonly Task[]): {
  readonly spec: ModelSpec;
  readonly kinds: readonly { readonly kind: Kind; readonly signature: string }[];
} {
  const [first] = tasks;
  if (first === undefined) throw malformed('MultiInferenceRequest has no tasks');
  const asked = new Set<string>();
  const kinds = tasks.map(({ spec, method }) => {
    if (spec.model === '') throw malformed('Found ModelSpec with an empty model name.');
    if (spec.model !== first.spec.model) {
      throw malformed('All ModelSpecs in a MultiInferenceRequest must access the same model name.');
    }
    if (JSON.stringify(spec.selector) !== JSON.stringify(first.spec.selector)) {
      throw malformed('All ModelSpecs in a MultiInferenceRequest must access the same version.');
    }
    const kind = KIND.get(method);
    if (kind === undefined) {
      throw fail('NOT_IMPLEMENTED', { problem: `Unsupported signature method_name: ${method.slice(0, 100)}` });
    }
    const signature = signatureNamed(spec.signature, kind);
    const key = `${kind} ${signature}`;
    if (asked.has(key)) throw malformed(`Duplicate evaluation of signature: ${signature}`);
    asked.add(key);
    return { kind, signature };
  });
  return { spec: first.spec, kinds };
}

const KIND: ReadonlyMap<string, Kind> = new Map([
  ['tensorflow/serving/classify', 'classify'],
  ['tensorflow/serving/regress', 'regress'],
]);

/** ClassificationResult or RegressionResult. */
function writeResult(kind: Kind, { signature, classes: names }: ServedVersion, outputs: Tensors): ProtoWriter {
  const writer = new ProtoWriter();
  if (kind === 'regress') {
    for (const value of regressionOf(signature, outputs)) {
      writer.message(1, new ProtoWriter().float(1, value));
    }
    return writer;
  }
  const { rows, classes, label, score } = classificationOf(signature, outputs, names);
  for (let row = 0; row < rows; row++) {
    const classifications = new ProtoWriter();
    for (let index = 0; index < classes; index++) {
      classifications.message(1, new ProtoWriter().element(1, label(row, index)).float(2, score(row, index)));
    }
    writer.message(1, classifications);
  }
  return writer;
}

const malformed = (problem: string): SlipwayError => fail('REQUEST_MALFORMED', { problem });
