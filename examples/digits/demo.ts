/**
 * From a trained model to answers over HTTP, in one go: `npm run demo`. It does with the rooms what `slipway build`, `slipway
 * serve` and a client do, prints what happened, and on a terminal keeps serving until Ctrl-C.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createLogger, fail, hasCode, openStore, type Report } from '@slipway/core';
import { compileConfig } from '@slipway/core/schemas';
import { build, renderReport } from '@slipway/prepare';
import { type RunningServer, type ServeOptions, startServer } from '@slipway/serve';
import { drawSideBySide } from './draw.ts';
import project from './slipway.config.ts';

const here = import.meta.dirname;
const watched = process.stdout.isTTY;
const width = watched ? process.stdout.columns : 100;
const color = watched && !process.env['NO_COLOR'];
const bold = (text: string): string => (color ? `\u001B[1m${text}\u001B[0m` : text);
const took = new Map<string, number>();

const stopping = new AbortController();
process.once('SIGINT', () => stopping.abort()).once('SIGTERM', () => stopping.abort());

const config = compileConfig(project, path.join(here, 'slipway.config.ts'));
try {
  await demonstrate();
} catch (error) {
  if (!stopping.signal.aborted) throw error;
  process.exitCode = 130;
}

async function demonstrate(): Promise<void> {
  const done = await timed('build', () => build(config, { signal: stopping.signal, progress: tell }));
  if (watched) process.stderr.write('\r\u001B[K');
  console.log(`\n${renderReport(done.report, { width, color })}\n`);
  if (done.failure !== null) throw done.failure;
  console.log(explain(done.report));
  console.log(`\nThe whole report, with charts: ${bold(done.files.html)}`);

  const server = await timed('start the server', serve);
  try {
    await ask(server);
    const times = [...took].map(([what, milliseconds]) => `${what} ${(milliseconds / 1000).toFixed(2)} s`);
    console.log(`\nIt took: ${times.join(', ')}.`);
    if (watched) await keepServing(server);
  } finally {
    await server.close();
  }
}

/** The report above says what each objective would choose. */
function explain({ objective, winner }: Report): string {
  return `This project asks for ${bold(objective)} (slipway.config.ts), so ${bold(winner ?? 'none')} is released.`;
}

/** On the usual ports when they are free and somebody watches, otherwise on any. */
async function serve(): Promise<RunningServer> {
  const store = await openStore(config.store);
  const options: ServeOptions = { store, logger: createLogger('silent') };
  const anyPort = { ...options, restPort: 0, grpcPort: null, adminPort: 0 };
  const started = watched
    ? await startServer(options).catch((error: unknown) => {
        if (hasCode(error, 'PORT_IN_USE')) return startServer(anyPort);
        throw error;
      })
    : await startServer(anyPort);
  await started.ready;
  return started;
}

/** Five images nobody trained or calibrated with, in one request. */
async function ask({ rest }: RunningServer): Promise<void> {
  const body = await readFile(path.join(here, 'sample.json'), 'utf8');
  const url = `${rest.url}/v1/models/${config.name}:predict`;
  const response = await timed('five answers', () => fetch(url, { method: 'POST', body }));
  if (!response.ok) {
    throw fail('INTERNAL', { problem: `POST ${url} answered ${response.status}: ${await response.text()}` });
  }
  const { predictions } = (await response.json()) as { predictions: number[][] };
  const { instances } = JSON.parse(body) as { instances: number[][][][] };
  const pictures = instances.map((image, i) => {
    const scores = predictions[i] ?? [];
    const best = scores.indexOf(Math.max(...scores));
    return { pixels: image.flat(2), side: image[0]?.length ?? 0, caption: `→ ${config.labels?.[best] ?? best}` };
  });
  console.log(`\nPOST ${url} with five images answers:\n`);
  console.log(drawSideBySide(pictures, { width, color }));
}

async function keepServing({ rest, admin }: RunningServer): Promise<void> {
  const sample = path.relative(process.cwd(), path.join(here, 'sample.json'));
  console.log(`
${bold('Still serving; try it:')}
  curl -s ${rest.url}/v1/models/${config.name}:predict -d @${sample}
  curl -s ${rest.url}/v2/models/${config.name}
  curl -s ${admin.url}/metrics | grep batch_size
Ctrl-C stops.`);
  await new Promise<void>((resolve) => {
    if (stopping.signal.aborted) resolve();
    stopping.signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  try {
    return await work();
  } finally {
    took.set(what, performance.now() - startedAt);
  }
}

function tell(event: { stage: string; candidate: string | null; detail: string }): void {
  if (!watched) return;
  const text = [event.stage, event.candidate, event.detail].filter((part) => part !== null && part !== '').join(': ');
  process.stderr.write(`\r\u001B[K${text.slice(0, width - 1)}`);
}
