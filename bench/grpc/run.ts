/**
 * What does gRPC cost? Unary calls to the smallest model against a bare echo on `node:http2`, in turn, round by round; the median
 * round counts. See README.md.
 *
 * Usage: node bench/grpc/run.ts [--rounds N] [--seconds N]
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { oneWeightModel, writeModelFile } from '@slipway/onnx';
import { checkCall, h2load } from '../harness/h2load.ts';
import { machine } from '../harness/machine.ts';
import { median } from '../harness/median.ts';
import { serve } from '../harness/server.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string' }, seconds: { type: 'string' } } });
const rounds = Number(values.rounds ?? 5);
const seconds = Number(values.seconds ?? 4);
const models = path.join(import.meta.dirname, '../../.cache/bench/models');
mkdirSync(models, { recursive: true });
const model = path.join(models, 'one.onnx');
await writeModelFile(model, oneWeightModel());

/** User and system time of one process, microseconds (in ticks of 10 ms). Its children, the runners, are not counted. */
function cpuMicros(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

/** A field of protobuf: bytes, a string or a message. */
function field(number: number, value: Buffer | string): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([Buffer.of(number * 8 + 2, bytes.length), bytes]);
}
const int = (number: number, value: number): Buffer => Buffer.of(number * 8, value);
const join = (...parts: Buffer[]): Buffer => Buffer.concat(parts);

const value = Buffer.from(Float32Array.of(1.5).buffer);
const shape = join(field(2, int(1, 1)), field(2, int(1, 1)));
const tensor = join(int(1, 1), field(2, shape), field(4, value));
const predict = join(field(1, field(1, 'm')), field(2, join(field(1, 'x'), field(2, tensor))));
const infer = join(
  field(1, 'm'),
  field(5, join(field(1, 'x'), field(2, 'FP32'), field(3, Buffer.of(1, 1)))),
  field(7, value),
);

await using echo = await serve(path.join(import.meta.dirname, 'echo.ts'), []);
await using slipway = await serve(path.join(import.meta.dirname, '../serving/slipway.ts'), [`m=${model}`, '1', 'grpc']);
const contestants = [
  { name: 'node:http2 echo', of: echo, method: '/inference.GRPCInferenceService/ModelInfer', message: infer },
  { name: 'slipway ModelInfer', of: slipway, method: '/inference.GRPCInferenceService/ModelInfer', message: infer },
  { name: 'slipway Predict', of: slipway, method: '/tensorflow.serving.PredictionService/Predict', message: predict },
];

const measured = contestants.map(() => [] as { perSecond: number; cpuMicros: number }[]);
for (let round = -1; round < rounds; round++) {
  for (const [index, { of, method, message }] of contestants.entries()) {
    await checkCall({ port: of.port, method, message });
    const before = cpuMicros(of.pid);
    const load = { port: of.port, method, message, connections: 8, streams: 8, seconds: round === -1 ? 2 : seconds };
    const perSecond = h2load(load);
    const used = (cpuMicros(of.pid) - before) / (perSecond * load.seconds);
    // The first round warms up.
    if (round >= 0) measured[index]?.push({ perSecond, cpuMicros: used });
  }
}

const rate = (index: number): number => median((measured[index] ?? []).map((of) => of.perSecond));
const results = contestants.map(({ name }, index) => ({
  name,
  callsPerSecond: Math.round(rate(index)),
  shareOfEcho: Number((rate(index) / rate(0)).toFixed(3)),
  cpuMicrosPerCall: Number(median((measured[index] ?? []).map((of) => of.cpuMicros)).toFixed(1)),
  rounds: (measured[index] ?? []).map((of) => Math.round(of.perSecond)),
}));
for (const { name, callsPerSecond, shareOfEcho, cpuMicrosPerCall } of results) {
  console.log(`${name.padEnd(20)} ${callsPerSecond} calls/s, ×${shareOfEcho}, ${cpuMicrosPerCall} µs of CPU per call`);
}
const file = path.join(import.meta.dirname, 'results.json');
writeFileSync(file, `${JSON.stringify({ machine: machine(), settings: { rounds, seconds }, results }, null, 2)}\n`);
