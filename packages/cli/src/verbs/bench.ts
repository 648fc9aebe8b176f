import path from 'node:path';
import { type Dataset, EXIT, fail, fixedBatch } from '@slipway/core';
import { type OwnServer, startOwnServer } from '../client/own-server.ts';
import { rowsMadeUp, rowsOfFile, rowsOfGolden } from '../client/rows.ts';
import { DEFAULT_ADMIN_URL, DEFAULT_URL, describeModel, type ServedModel, serves } from '../client/server.ts';
import { findSubject } from '../client/subject.ts';
import type { Context } from '../frame/context.ts';
import {
  argument,
  choice,
  defineVerb,
  duration,
  flag,
  positive,
  text,
  type Verb,
  whole,
  withDefault,
} from '../frame/declare.ts';
import { ARRIVALS } from '../load/arrivals.ts';
import { batchSizes, type BatchSizes, difference } from '../load/batch-sizes.ts';
import { runLoad } from '../load/load.ts';
import { prepareRequests } from '../load/requests.ts';
import { renderBench } from '../render/bench.ts';
import * as shared from './shared.ts';

const REQUEST_TIMEOUT_MS = 30_000;

export const bench: Verb = defineVerb({
  name: 'bench',
  group: 'Serve it',
  summary: 'load-test a model: throughput, latency percentiles, batch sizes',
  description:
    'Sends real inputs over keep-alive connections. Without --rate the loop is closed: every connection sends its next request when it has its answer. With --rate it is open: requests are due at times drawn beforehand, and latency counts from when a request was due, so that a stall is charged to every request it delays. When no server has the model, one is started for the run.',
  arguments: { name: argument('The model to ask.') },
  options: {
    connections: withDefault(whole('Connections kept open.', { min: 1, max: 10_000 }), '16'),
    rate: positive('requests/s', 'Send this many requests per second, whatever the server does.'),
    arrivals: withDefault(choice(ARRIVALS, 'How requests of --rate are spaced.'), 'poisson'),
    duration: withDefault(duration('How long to measure: 500ms, 10s, 2m.'), '10s'),
    warmup: withDefault(duration('How long to send before measuring.'), '1s'),
    input: text(
      'file',
      'Rows to send. Default: the golden samples of the release, otherwise made up from the signature.',
      'file',
    ),
    batch: withDefault(whole('Rows per request.', { min: 1, max: 100_000 }), '1'),
    binary: flag('Send binary tensors (Open Inference Protocol) instead of JSON (TensorFlow Serving).'),
    url: text('url', `A running server. Default: ${DEFAULT_URL} when it has the model.`),
    adminUrl: text('url', 'Its admin address, for the batch sizes.'),
    model: shared.model,
    store: shared.store,
    config: shared.config,
  },
  examples: [
    { command: 'slipway bench digits', description: 'as many requests as 16 connections carry' },
    { command: 'slipway bench digits --rate 2000 --duration 30s', description: 'latency at 2000 requests per second' },
    { command: 'slipway bench m --model m=./model.onnx --binary --connections 4', description: 'an ONNX file' },
  ],
  async run(context, given) {
    const there = given.model.length === 0 && (await serves(DEFAULT_URL, given.name, context.signal));
    const running = given.url ?? (there ? DEFAULT_URL : null);
    let own: OwnServer | null = null;
    if (running === null) {
      context.progress('Starting a server for the run');
      own = await startOwnServer(serveArguments(given), context.cwd);
    }
    try {
      const url = running ?? own?.url ?? DEFAULT_URL;
      const adminUrl = given.adminUrl ?? own?.adminUrl ?? (running === DEFAULT_URL ? DEFAULT_ADMIN_URL : null);
      const model = await describeModel(url, given.name, context.signal);
      const { dataset, inputs } = await chooseRows(context, given, model);
      const fixed = fixedBatch(model.signature);
      if (fixed !== null && given.batch !== 1 && given.batch !== fixed) {
        throw fail('USAGE', { problem: `--batch ${given.batch}: model "${given.name}" takes exactly ${fixed} rows` });
      }
      const requests = prepareRequests(dataset, {
        model: given.name,
        batch: fixed ?? given.batch,
        binary: given.binary,
      });
      let before: BatchSizes | null = null;
      context.progress(`Warming up ${given.name}`);
      const result = await runLoad({
        url: new URL(url),
        requests,
        connections: given.connections,
        open: given.rate === undefined ? null : { rate: given.rate, arrival: given.arrivals },
        warmupMs: given.warmup,
        durationMs: given.duration,
        timeoutMs: REQUEST_TIMEOUT_MS,
        signal: context.signal,
        onWarm: async () => {
          before = adminUrl === null ? null : await batchSizes(adminUrl, given.name);
          context.progress(`Measuring ${given.name} for ${given.duration / 1000} s`);
        },
      });
      const after = adminUrl === null ? null : await batchSizes(adminUrl, given.name);
      const document = {
        model: given.name,
        url,
        startedServer: own !== null,
        loop: given.rate === undefined ? 'closed' : 'open',
        ...(given.rate === undefined ? {} : { rate: given.rate, arrivals: given.arrivals }),
        connections: given.connections,
        protocol: given.binary ? 'open-inference binary' : 'tensorflow-serving json',
        inputs,
        rowsPerRequest: requests[0]?.rows ?? 0,
        bytesPerRequest: requests[0]?.body.length ?? 0,
        ...result,
        batches: difference(before, after),
      };
      if (result.requests === 0) {
        throw fail('UNREACHABLE', { url, problem: result.firstFailure ?? 'no request was answered' });
      }
      context.result(document, (style) => renderBench(document, style));
      return context.signal.aborted ? EXIT.interrupted : undefined;
    } finally {
      await own?.stop();
    }
  },
});

interface Given {
  readonly name: string;
  readonly input: string | undefined;
  readonly model: readonly string[];
  readonly store: string | undefined;
  readonly config: string | undefined;
}

function serveArguments(given: Given): string[] {
  return [
    ...given.model.flatMap((model) => ['--model', model]),
    ...(given.store === undefined ? [] : ['--store', given.store]),
    ...(given.config === undefined ? [] : ['--config', given.config]),
  ];
}

/** `--input`, else golden samples when the model is on this machine, else made up. */
async function chooseRows(
  context: Context,
  given: Given,
  { signature }: ServedModel,
): Promise<{ dataset: Dataset; inputs: string }> {
  if (given.input !== undefined) {
    const file = path.resolve(context.cwd, given.input);
    return { dataset: await rowsOfFile(file, signature), inputs: given.input };
  }
  const subject = await findSubject(context, given.name, given).catch(() => null);
  const manifest = subject?.manifest ?? null;
  const golden = subject === null || manifest === null ? null : await rowsOfGolden(subject.path, manifest);
  if (golden !== null) return { dataset: golden, inputs: 'golden samples' };
  return { dataset: rowsMadeUp(signature), inputs: 'made up from the signature' };
}
