/**
 * Does an overloaded model hurt its neighbours? Two connections on a one-weight model, alone and beside 512 that ask a slow model with
 * a short queue again as soon as they are refused. Usage: node bench/isolation/run.ts [--rounds N] [--seconds N]
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createLogger } from '@slipway/core';
import { encoderModel, oneWeightModel, writeModelFile } from '@slipway/onnx';
import { startServer } from '@slipway/serve';
import { machine } from '../harness/machine.ts';
import { median } from '../harness/median.ts';
import { hasWrk, wrk } from '../harness/wrk.ts';

const { values } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string' }, seconds: { type: 'string' } },
});
const [ROUNDS, SECONDS] = [Number(values.rounds ?? 3), Number(values.seconds ?? 5)];
const SEQUENCE = 64;
const FLOOD = 512;

if (process.argv[2] === 'serve') await serve(process.argv[3] ?? '');
else await measure();

async function measure(): Promise<void> {
  if (!hasWrk()) throw new Error('wrk is not installed: apt-get install wrk');
  const models = path.resolve(import.meta.dirname, '../../.cache/bench/models');
  mkdirSync(models, { recursive: true });
  const slow = path.join(models, 'encoder-isolation.onnx');
  if (!existsSync(slow)) {
    const size = { layers: 4, hidden: 256, heads: 4, intermediate: 1024, vocabulary: 8000, maxPositions: SEQUENCE };
    await writeModelFile(slow, encoderModel(size));
  }
  await writeModelFile(path.join(models, 'one.onnx'), oneWeightModel());
  const child = spawn(process.execPath, [import.meta.filename, 'serve', models], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const port = await new Promise<number>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const match = /listening (\d+)/.exec(text);
      if (match !== null) resolve(Number(match[1]));
    });
  });
  const ids = Array.from({ length: SEQUENCE }, (_, i) => (i * 7919) % 8000);
  const tensor = (name: string, data: number[]): unknown => ({ name, shape: [1, SEQUENCE], datatype: 'INT64', data });
  const slowBody = JSON.stringify({
    inputs: [
      tensor('input_ids', ids),
      tensor('attention_mask', Array<number>(SEQUENCE).fill(1)),
      tensor('token_type_ids', Array<number>(SEQUENCE).fill(0)),
    ],
  });
  const headers = { 'content-type': 'application/json' };
  const fast = {
    url: `http://127.0.0.1:${port}/v1/models/fast:predict`,
    body: '{"instances":[[1.5]]}',
    headers,
    connections: 2,
  };
  wrk({ ...fast, seconds: 2 });
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) {
    const alone = wrk({ ...fast, seconds: SECONDS });
    // The flood is another process of this file, because wrk is waited for.
    const flood = spawn(process.execPath, ['-e', floodScript(port, slowBody)], { stdio: 'ignore' });
    await sleep(2000);
    const beside = wrk({ ...fast, seconds: SECONDS });
    flood.kill('SIGKILL');
    await sleep(1000);
    rounds.push({ alone, beside, p99Ratio: Number((beside.p99Ms / alone.p99Ms).toFixed(2)) });
    console.log(
      `alone ${Math.round(alone.requestsPerSecond)}/s, p99 ${alone.p99Ms.toFixed(1)} ms; beside ${FLOOD} connections ${Math.round(beside.requestsPerSecond)}/s, p99 ${beside.p99Ms.toFixed(1)} ms`,
    );
  }
  child.kill('SIGTERM');
  console.log(`p99 beside over p99 alone: ${median(rounds.map(({ p99Ratio }) => p99Ratio))} (wanted: ≤ 1.2)`);
  const file = path.join(import.meta.dirname, 'results.json');
  writeFileSync(
    file,
    `${JSON.stringify({ machine: machine(), settings: { rounds: ROUNDS, seconds: SECONDS }, rounds }, null, 2)}\n`,
  );
}

/** Closed loops over as many connections, which do not wait when they are refused. */
function floodScript(port: number, body: string): string {
  return `const http = require('node:http');
const agent = new http.Agent({ keepAlive: true, maxSockets: ${FLOOD} });
const body = ${JSON.stringify(body)};
const ask = () => {
  const request = http.request('http://127.0.0.1:${port}/v2/models/slow/infer', { method: 'POST', agent, headers: { 'content-length': body.length } });
  request.on('response', (response) => response.resume().on('end', ask));
  request.on('error', ask);
  request.end(body);
};
for (let i = 0; i < ${FLOOD}; i++) ask();`;
}

async function serve(models: string): Promise<void> {
  const server = await startServer({
    models: [
      { name: 'fast', path: path.join(models, 'one.onnx') },
      { name: 'slow', path: path.join(models, 'encoder-isolation.onnx') },
    ],
    restPort: 0,
    grpcPort: null,
    adminPort: 0,
    threads: 1,
    batching: { maxQueueRows: 64 },
    logger: createLogger('error'),
  });
  await server.ready;
  console.log(`listening ${server.rest.port}`);
  process.on('SIGTERM', () => void server.close().then(() => process.exit(0)));
}
