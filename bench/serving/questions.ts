/** The questions, what is wanted of each, and how each is answered. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../harness/median.ts';
import { treeRssBytes } from '../harness/rss.ts';
import { serve } from '../harness/server.ts';
import { type LoadResult, wrk } from '../harness/wrk.ts';

export interface Setup {
  readonly rounds: number;
  readonly seconds: number;
  readonly model: (name: string) => string;
}

interface Answer {
  readonly figure: number | null;
  readonly text: string;
  readonly rounds: readonly Readonly<Record<string, number>>[];
}

interface Question {
  readonly name: string;
  readonly title: string;
  readonly models: readonly string[];
  readonly wanted: string | null;
  met(figure: number): boolean;
  ask(setup: Setup): Promise<Answer>;
}

const here = (file: string): string => path.join(import.meta.dirname, file);
const JSON_HEADERS = { 'content-type': 'application/json' };

const round = (value: number, digits = 2): number => Number(value.toFixed(digits));

/** Deterministic pixel intensities in [0, 1). */
const ramp = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => ((i * 37) % 256) / 256);
/** The same as people send them: with four decimals, 784 of them in 5.3 KB. */
const rounded = (count: number): number[] => Array.from(ramp(count), (value) => Math.round(value * 1e4) / 1e4);

const clean = (result: LoadResult, what: string): LoadResult => {
  if (result.errors > 0) throw new Error(`${what}: ${result.errors} errors; the figure would mean nothing`);
  return result;
};

interface Raw {
  readonly rowsPerSecond: number;
  readonly p50Ms: number;
}

function raw(file: string, threads: number, shape: readonly number[], seconds: number): Raw {
  const args = [here('baselines/raw.ts'), file, String(threads), shape.join(','), String(seconds)];
  const run = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`raw session.run failed: ${run.stderr}`);
  return JSON.parse(run.stdout) as Raw;
}

/** Load on two servers in turn; the figure is the median of a's req/s over b's. */
async function compare(
  setup: Setup,
  a: { script: string; args: string[]; url: (port: number) => string },
  b: { script: string; args: string[]; url: (port: number) => string },
  body: string,
): Promise<Answer> {
  await using first = await serve(here(a.script), a.args);
  await using second = await serve(here(b.script), b.args);
  const load = (url: string, seconds: number): LoadResult =>
    clean(wrk({ url, body, headers: JSON_HEADERS, connections: 64, seconds }), url);
  load(a.url(first.port), 2);
  load(b.url(second.port), 2);
  const rounds = Array.from({ length: setup.rounds }, () => {
    const ours = load(a.url(first.port), setup.seconds);
    const theirs = load(b.url(second.port), setup.seconds);
    return {
      slipway: round(ours.requestsPerSecond, 0),
      baseline: round(theirs.requestsPerSecond, 0),
      slipwayP99Ms: round(ours.p99Ms),
      baselineP99Ms: round(theirs.p99Ms),
      ratio: round(ours.requestsPerSecond / theirs.requestsPerSecond, 3),
    };
  });
  const figure = median(rounds.map(({ ratio }) => ratio));
  const ours = median(rounds.map(({ slipway }) => slipway));
  const theirs = median(rounds.map(({ baseline }) => baseline));
  return { figure, rounds, text: `${ours} req/s against ${theirs} req/s: ${figure}` };
}

const predictUrl = (name: string) => (port: number) => `http://127.0.0.1:${port}/v1/models/${name}:predict`;

function against(
  name: string,
  model: string,
  title: string,
  wanted: number,
  baseline: string,
  row: number[],
): Question {
  return {
    name,
    title,
    models: [model],
    wanted: `≥ ${wanted}`,
    met: (figure) => figure >= wanted,
    ask: (setup) =>
      compare(
        setup,
        { script: 'slipway.ts', args: [`m=${setup.model(model)}`, '1'], url: predictUrl('m') },
        {
          script: baseline,
          args: [setup.model(model), '1', String(row.length)],
          url: (port) => `http://127.0.0.1:${port}/`,
        },
        JSON.stringify({ instances: [row] }),
      ),
  };
}

/** One image as a Triton binary request: a JSON header, then the raw floats. */
function binaryBody(input: string, shape: readonly number[]): { body: Uint8Array; headers: Record<string, string> } {
  const data = ramp(shape.reduce((a, b) => a * b, 1));
  const header = Buffer.from(
    JSON.stringify({
      inputs: [{ name: input, shape, datatype: 'FP32', parameters: { binary_data_size: data.byteLength } }],
      parameters: { binary_data_output: true },
    }),
  );
  return {
    body: Buffer.concat([header, Buffer.from(data.buffer)]),
    headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(header.length) },
  };
}

function throughput(
  name: string,
  model: string,
  input: string,
  shape: readonly number[],
  connections: number,
  wanted: number | null,
): Question {
  return {
    name,
    title: `${model}, binary bodies: rows/s over raw session.run, 1 thread each`,
    models: [model],
    wanted: wanted === null ? null : `≥ ${wanted}`,
    met: (figure) => wanted !== null && figure >= wanted,
    async ask(setup) {
      await using server = await serve(here('slipway.ts'), [`m=${setup.model(model)}`, '1']);
      const { body, headers } = binaryBody(input, shape);
      const url = `http://127.0.0.1:${server.port}/v2/models/m/infer`;
      const load = (seconds: number): LoadResult => clean(wrk({ url, body, headers, connections, seconds }), url);
      load(2);
      const rounds = Array.from({ length: setup.rounds }, () => {
        const ours = load(setup.seconds * 2);
        const theirs = raw(setup.model(model), 1, shape, setup.seconds * 2);
        return {
          slipway: round(ours.requestsPerSecond),
          raw: round(theirs.rowsPerSecond),
          ratio: round(ours.requestsPerSecond / theirs.rowsPerSecond, 3),
        };
      });
      const figure = median(rounds.map(({ ratio }) => ratio));
      return {
        figure,
        rounds,
        text: `${median(rounds.map((r) => r.slipway))} rows/s against ${median(rounds.map((r) => r.raw))}: ${figure}`,
      };
    },
  };
}

const addedLatency: Question = {
  name: 'latency',
  title: 'one-weight model, JSON, one connection: p50 over raw session.run, ms',
  models: ['one'],
  wanted: '≤ 0.20',
  met: (figure) => figure <= 0.2,
  async ask(setup) {
    await using server = await serve(here('slipway.ts'), [`m=${setup.model('one')}`, '1']);
    const url = predictUrl('m')(server.port);
    const load = (seconds: number): LoadResult =>
      clean(wrk({ url, body: '{"instances":[[1.5]]}', headers: JSON_HEADERS, connections: 1, seconds }), url);
    load(2);
    const rounds = Array.from({ length: setup.rounds }, () => {
      const ours = load(setup.seconds);
      const theirs = raw(setup.model('one'), 1, [1, 1], 1);
      return {
        slipwayP50Ms: round(ours.p50Ms, 3),
        rawP50Ms: round(theirs.p50Ms, 4),
        added: round(ours.p50Ms - theirs.p50Ms, 3),
      };
    });
    const figure = median(rounds.map(({ added }) => added));
    return {
      figure,
      rounds,
      text: `${median(rounds.map((r) => r.slipwayP50Ms))} ms end to end, ${figure} ms of it added`,
    };
  },
};

const startUp: Question = {
  name: 'start',
  title: 'squeezenet: from starting the process to the first correct answer, s',
  models: ['light_squeezenet'],
  wanted: '≤ 1',
  met: (figure) => figure <= 1,
  async ask(setup) {
    const { body, headers } = binaryBody('data_0', [1, 3, 224, 224]);
    const rounds = [];
    for (let i = 0; i < setup.rounds; i++) {
      const start = performance.now();
      await using server = await serve(here('slipway.ts'), [`m=${setup.model('light_squeezenet')}`, '1']);
      const response = await fetch(`http://127.0.0.1:${server.port}/v2/models/m/infer`, {
        method: 'POST',
        body: Buffer.from(body),
        headers,
      });
      const bytes = (await response.arrayBuffer()).byteLength;
      const seconds = round((performance.now() - start) / 1000, 3);
      if (response.status !== 200 || bytes < 4000) throw new Error(`status ${response.status}, ${bytes} bytes`);
      rounds.push({ seconds, listeningMs: round(server.startMs, 0) });
    }
    const figure = median(rounds.map(({ seconds }) => seconds));
    return { figure, rounds, text: `${figure} s` };
  },
};

const unload: Question = {
  name: 'unload',
  title: 'squeezenet: memory of all processes after ten more times (load a version, drain the old one) over before, MB',
  models: ['light_squeezenet'],
  wanted: '≤ 5',
  met: (figure) => figure <= 5,
  async ask(setup) {
    const directory = path.join(path.dirname(setup.model('one')), 'versions');
    rmSync(directory, { recursive: true, force: true });
    const publish = (version: number): void => {
      const at = path.join(directory, String(version));
      mkdirSync(`${at}.tmp`, { recursive: true });
      cpSync(setup.model('light_squeezenet'), path.join(`${at}.tmp`, 'model.onnx'));
      spawnSync('mv', [`${at}.tmp`, at]);
    };
    publish(1);
    await using server = await serve(here('slipway.ts'), [`m=${directory}`, '1']);
    const { body, headers } = binaryBody('data_0', [1, 3, 224, 224]);
    const ask = async (): Promise<string> => {
      const response = await fetch(`http://127.0.0.1:${server.port}/v2/models/m/infer`, {
        method: 'POST',
        body: Buffer.from(body),
        headers,
      });
      const header = Number(response.headers.get('inference-header-content-length'));
      const text = Buffer.from(await response.arrayBuffer())
        .subarray(0, header)
        .toString();
      return (JSON.parse(text) as { model_version: string }).model_version;
    };
    const settle = async (version: number): Promise<number> => {
      while ((await ask()) !== String(version)) await sleep(100);
      for (let i = 0; i < 200; i++) await ask();
      await sleep(1500);
      return treeRssBytes(server.pid) / 1e6;
    };
    await settle(1);
    publish(2);
    // The first reload is warm-up: code compiled, pools filled.
    const before = await settle(2);
    const rounds = [];
    for (let version = 3; version <= 12; version++) {
      publish(version);
      rounds.push({ version, megabytes: round(await settle(version), 1) });
    }
    const after = rounds.at(-1)?.megabytes ?? NaN;
    return { figure: round(after - before, 1), rounds, text: `${round(before, 1)} MB before, ${after} MB after` };
  },
};

const IMAGE = [1, 3, 224, 224];

export const QUESTIONS: readonly Question[] = [
  against(
    'one-weight',
    'one',
    'one-weight model, JSON, 64 connections: req/s over a bare node:http JSON echo',
    0.9,
    'baselines/echo.ts',
    [1.5],
  ),
  against(
    'mlp-json',
    'mlp',
    'MLP 784-512-256-10, JSON, 64 connections: req/s over session.run in the HTTP loop',
    3,
    'baselines/unbatched.ts',
    rounded(784),
  ),
  throughput('mlp-binary', 'mlp', 'x', [1, 784], 64, null),
  throughput('squeezenet', 'light_squeezenet', 'data_0', IMAGE, 8, 0.95),
  throughput('resnet50', 'light_resnet50', 'gpu_0/data_0', IMAGE, 8, 0.95),
  addedLatency,
  startUp,
  unload,
];
