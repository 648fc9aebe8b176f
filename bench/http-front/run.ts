/**
 * What does the HTTP front cost? Three contestants in turn, round by round; the median round counts. See README.md.
 *
 * Usage: node bench/http-front/run.ts [--rounds N] [--seconds N]
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { oneWeightModel, writeModelFile } from '@slipway/onnx';
import { machine } from '../harness/machine.ts';
import { median } from '../harness/median.ts';
import { serve } from '../harness/server.ts';
import { wrk } from '../harness/wrk.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string' }, seconds: { type: 'string' } } });
const rounds = Number(values.rounds ?? 5);
const seconds = Number(values.seconds ?? 4);
const serving = path.join(import.meta.dirname, '../serving');
const models = path.join(import.meta.dirname, '../../.cache/bench/models');
mkdirSync(models, { recursive: true });
const model = path.join(models, 'one.onnx');
await writeModelFile(model, oneWeightModel());

/** User and system time of one process, microseconds (in ticks of 10 ms). Its children, the runners, are not counted. */
function cpuMicros(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

await using echo = await serve(path.join(serving, 'baselines/echo.ts'), []);
await using slipway = await serve(path.join(serving, 'slipway.ts'), [`m=${model}`, '1']);
const predict = `http://127.0.0.1:${slipway.port}/v1/models/m:predict`;
const plain = { 'Content-Type': 'application/json' };
const contestants = [
  { name: 'node:http echo', pid: echo.pid, url: `http://127.0.0.1:${echo.port}/`, headers: plain },
  { name: 'slipway', pid: slipway.pid, url: predict, headers: plain },
  // A header that is not plain sends the connection through node:http: the same server without its own front.
  { name: 'slipway through node:http', pid: slipway.pid, url: predict, headers: { ...plain, 'Keep-Alive': '1' } },
];

const measured = contestants.map(() => [] as { requestsPerSecond: number; cpuMicros: number }[]);
for (let round = -1; round < rounds; round++) {
  contestants.forEach(({ name, pid, url, headers }, index) => {
    const before = cpuMicros(pid);
    const load = { url, body: '{"instances":[[1.5]]}', headers, connections: 64, seconds: round === -1 ? 2 : seconds };
    const { requestsPerSecond, errors } = wrk(load);
    if (errors > 0) throw new Error(`${name}: ${errors} requests failed`);
    const used = (cpuMicros(pid) - before) / (requestsPerSecond * load.seconds);
    // The first round warms up.
    if (round >= 0) measured[index]?.push({ requestsPerSecond, cpuMicros: used });
  });
}

const rate = (index: number): number => median((measured[index] ?? []).map((of) => of.requestsPerSecond));
const results = contestants.map(({ name }, index) => ({
  name,
  requestsPerSecond: Math.round(rate(index)),
  shareOfEcho: Number((rate(index) / rate(0)).toFixed(3)),
  cpuMicrosPerRequest: Number(median((measured[index] ?? []).map((of) => of.cpuMicros)).toFixed(1)),
  rounds: (measured[index] ?? []).map((of) => Math.round(of.requestsPerSecond)),
}));
for (const { name, requestsPerSecond, shareOfEcho, cpuMicrosPerRequest } of results) {
  console.log(
    `${name.padEnd(26)} ${requestsPerSecond} req/s, ×${shareOfEcho}, ${cpuMicrosPerRequest} µs of CPU per request`,
  );
}
const file = path.join(import.meta.dirname, 'results.json');
writeFileSync(file, `${JSON.stringify({ machine: machine(), settings: { rounds, seconds }, results }, null, 2)}\n`);
