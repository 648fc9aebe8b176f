import path from 'node:path';
import { type Column, fixedBatch, type Signature, type Tensors } from '@slipway/core';
import { DEFAULT_URL, describeModel, infer, serves } from '../client/server.ts';
import { calls, rowsOfFile } from '../client/rows.ts';
import { findSubject } from '../client/subject.ts';
import { type Context } from '../frame/context.ts';
import { argument, defineVerb, flag, text, type Verb, whole, withDefault } from '../frame/declare.ts';
import { shortDigest } from '../frame/units.ts';
import { answersOf, type Columns, columnToJson, renderAnswers, shapeOf } from '../render/answers.ts';
import * as shared from './shared.ts';

export const predict: Verb = defineVerb({
  name: 'predict',
  group: 'Serve it',
  summary: 'ask a model about the rows of a file',
  description:
    'Sends the rows of a file to a running server that has the model, or runs them here when there is none (or with --local or --model). JSON files are as TensorFlow Serving has them ({"instances": […]} or {"inputs": {…}}); .npy, .npz, .csv and .jsonl work too.',
  arguments: { name: argument('NAME, or with a local store also NAME:VERSION, NAME@ALIAS, sha256:DIGEST.') },
  options: {
    input: withDefault(text('file', 'The rows to ask about.', 'file'), 'sample.json'),
    url: text('url', `A running server. Default: ${DEFAULT_URL} when it has the model.`),
    local: flag('Run the model here, in a runner, even if a server runs.'),
    top: withDefault(whole('How many classes to show per row.', { min: 1, max: 1000 }), '3'),
    model: shared.model,
    store: shared.store,
    config: shared.config,
  },
  examples: [
    { command: 'slipway predict digits --input sample.json', description: 'the newest release of digits' },
    { command: 'slipway predict digits --input images.npy --url http://10.0.0.5:8501', description: 'another machine' },
    {
      command: 'slipway predict m --model m=./model.onnx --input x.npy',
      description: 'an ONNX file, without a project',
    },
  ],
  async run(context, given) {
    const file = path.resolve(context.cwd, given.input);
    const local =
      given.local ||
      given.model.length > 0 ||
      (given.url === undefined && !(await serves(DEFAULT_URL, given.name, context.signal)));
    const startedAt = performance.now();
    const answer = local ? await here(context, given, file) : await there(context, given, file);
    const milliseconds = performance.now() - startedAt;
    const answers = answersOf(answer.outputs, answer.labels, given.top);
    const document = {
      model: answer.model,
      from: answer.from,
      rows: answer.rows,
      milliseconds,
      outputs: Object.fromEntries(Object.entries(answer.outputs).map(([name, value]) => [name, describe(value)])),
      ...(answers === null ? {} : { top: answers.rows }),
    };
    context.result(document, (style) => renderAnswers({ ...answer, answers }, style));
    return undefined;
  },
});

interface Answer {
  readonly model: string;
  readonly from: string;
  readonly rows: number;
  readonly outputs: Columns;
  readonly labels: readonly string[] | null;
}

type Given = Parameters<typeof findSubject>[2] & { readonly name: string; readonly url: string | undefined };

async function there(context: Context, given: Given, file: string): Promise<Answer> {
  const url = given.url ?? DEFAULT_URL;
  const { signature } = await describeModel(url, given.name, context.signal);
  const outputs = await ask(signature, file, (inputs) => infer(url, given.name, inputs, context.signal));
  // A server does not tell the labels; the release in the local store, if it is that model, does.
  const labels = await findSubject(context, given.name, given).then(
    (subject) => subject.manifest?.labels ?? null,
    () => null,
  );
  return { model: given.name, from: url, ...outputs, labels };
}

async function here(context: Context, given: Given, file: string): Promise<Answer> {
  const { startRunner } = await import('@slipway/runtime');
  const subject = await findSubject(context, given.name, given);
  const model = subject.release === null ? subject.name : `${subject.name}:${subject.release.version}`;
  context.progress(`Loading ${model}`);
  const runner = await startRunner({ model, path: subject.path, session: {} });
  try {
    const outputs = await ask(runner.signature, file, (inputs) => runner.run(inputs));
    const from = subject.release === null ? subject.path : shortDigest(subject.release.digest);
    return { model, from, ...outputs, labels: subject.manifest?.labels ?? null };
  } finally {
    await runner.stop();
  }
}

/** All rows at once, or one call after the other when the model takes a fixed number or the rows differ in shape. */
async function ask(
  signature: Signature,
  file: string,
  run: (inputs: Tensors) => Promise<Tensors>,
): Promise<{ rows: number; outputs: Columns }> {
  const { columnOf } = await import('@slipway/core');
  const dataset = await rowsOfFile(file, signature);
  const results: Tensors[] = [];
  const together = fixedBatch(signature) ?? (dataset.isRagged ? 1 : dataset.rowCount);
  for (const inputs of calls(dataset, together)) results.push(await run(inputs));
  const [first = {}] = results;
  const join = (name: string): Column =>
    columnOf(results.flatMap((result) => (result[name] === undefined ? [] : [result[name]])));
  const outputs =
    results.length === 1 ? first : Object.fromEntries(Object.keys(first).map((name) => [name, join(name)]));
  return { rows: dataset.rowCount, outputs };
}

/** Of rows whose answers differ in shape, the sizes that differ are null. */
const describe = (value: Column): unknown => ({
  dtype: value.dtype,
  shape: shapeOf(value),
  data: columnToJson(value),
});
