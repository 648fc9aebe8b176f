/** What `slipway serve` says when it is ready: where to ask, and lines that work when pasted into a shell. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { isBatchable, type Signature, tensorToJson } from '@slipway/core';
import { calls, rowsMadeUp } from '../client/rows.ts';
import { columnsOf, type Style } from '../frame/style.ts';

interface ServedModelLine {
  readonly name: string;
  readonly version: number;
  readonly state: string;
  readonly reason: string | null;
}

export interface Serving {
  readonly url: string;
  /** null when it does not speak gRPC. */
  readonly grpcAddress: string | null;
  readonly adminUrl: string;
  readonly models: readonly ServedModelLine[];
}

/** Longest request written out in a curl line. */
const MOST_INLINE = 300;

export function plainLines({ url, grpcAddress, adminUrl, models }: Serving): string {
  const lines = models.map((model) => `${model.name}:${model.version} is ${model.state}${because(model)}`);
  const grpc = grpcAddress === null ? '' : `, gRPC at ${grpcAddress}${url.startsWith('https:') ? ' (TLS)' : ''}`;
  return [...lines, `Serving at ${url}${grpc}, admin and metrics at ${adminUrl}`].join('\n');
}

/** @param sample a file of rows that fits the models, when there is one */
export function banner(serving: Serving, curl: readonly string[], style: Style): string {
  const { url, grpcAddress, adminUrl, models } = serving;
  const width = Math.max(0, ...models.map((model) => columnsOf(`${model.name}:${model.version}`)));
  const lines = models.map((model) => {
    const good = model.state === 'ready';
    const mark = good ? style.green('✓') : style.red('✗');
    return `${mark} ${style.bold(`${model.name}:${model.version}`.padEnd(width))}  ${model.state}${because(model)}`;
  });
  const none = 'Nothing to serve yet: releases made by `slipway build` are picked up as they appear.';
  return [
    ...(models.length === 0 ? [style.yellow(none)] : lines),
    '',
    `${style.dim('requests')}  ${style.cyan(url)}   ${style.dim('as TensorFlow Serving, Triton, KServe, TorchServe, SageMaker, …')}`,
    ...(grpcAddress === null
      ? []
      : [
          `${style.dim('gRPC')}      ${style.cyan(grpcAddress)}   ${style.dim('TensorFlow Serving, Triton, TorchServe')}`,
        ]),
    `${style.dim('docs')}      ${style.cyan(`${url}/docs`)}   ${style.dim('what each model takes, to try in a browser')}`,
    `${style.dim('admin')}     ${style.cyan(adminUrl)}   ${style.dim('/status, /metrics')}`,
    ...(curl.length === 0 ? [] : ['', style.dim('Try it:'), ...curl.map((line) => `  ${line}`)]),
    '',
    style.dim('Ctrl-C stops, and answers what is under way first.'),
  ].join('\n');
}

const because = (model: ServedModelLine): string => (model.reason === null ? '' : `: ${model.reason}`);

/** Requests for the shell: the sample file when it exists, a request written out when it is short, otherwise a look at the inputs. */
export function curlLines(options: {
  readonly url: string;
  readonly name: string;
  readonly signature: Signature;
  readonly cwd: string;
  readonly sample: string | null;
}): string[] {
  const { url, name, signature, cwd, sample } = options;
  const predict = `curl -s ${url}/v1/models/${name}:predict -d`;
  const describe = `curl -s ${url}/v2/models/${name}`;
  if (sample !== null && existsSync(sample)) {
    const relative = path.relative(cwd, sample);
    return [`${predict} @${quote(relative.startsWith('..') ? sample : relative)}`, describe];
  }
  const inputs = calls(rowsMadeUp(signature), isBatchable(signature) ? 1 : rowsMadeUp(signature).rowCount)[0] ?? {};
  const body = JSON.stringify({
    inputs: Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key, tensorToJson(value)])),
  });
  return body.length <= MOST_INLINE && !body.includes("'") ? [`${predict} '${body}'`, describe] : [describe];
}

const quote = (file: string): string => (/^[\w./-]+$/.test(file) ? file : `'${file.replaceAll("'", "'\\''")}'`);
