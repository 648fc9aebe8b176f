/**
 * `npm run e2e:soak`: many requests of mixed sizes to one model whose versions come and go and whose runners are killed. Every answer is
 * checked against the version that gave it. Wanted: no wrong answer; no failed request but those that a killed runner was
 * executing; memory of all processes that does not grow with the number of reloads.
 *
 * Version V multiplies by V, so an answer proves which version computed it. The server is a process of its own, as
 * installed; the client keeps 64 connections busy, each with the next request as soon as it has its answer.
 *
 * Options: --requests N (default 1,000,000) --reloads N (50) --kills N (20) --seed N
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { treeRssBytes } from '../../bench/harness/rss.ts';
import { scalingModel } from '../small-models.ts';

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '1000000' },
    reloads: { type: 'string', default: '50' },
    kills: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
  },
});
const [REQUESTS, RELOADS, KILLS] = [Number(values.requests), Number(values.reloads), Number(values.kills)];
const CONNECTIONS = 64;
const SIZES = [1, 1, 1, 2, 3, 8, 17, 64, 200];
const MOST_GROWTH_MB = 1;
/** On fewer, the comings and goings of the garbage collector are larger than what is looked for. */
const ENOUGH_RELOADS = 50;
/** Two calls of 64 rows can be in the hands of a runner when it is killed. */
const LOST_PER_KILL = 2 * 64;
const LONGEST_RELOAD_MS = 30_000;

const root = path.join(import.meta.dirname, '../..');
const directory = mkdtempSync(path.join(tmpdir(), 'slipway-soak-'));
const publish = (version: number): void => {
  const at = path.join(directory, `.${version}`);
  mkdirSync(at);
  writeFileSync(path.join(at, 'model.onnx'), scalingModel(version));
  renameSync(at, path.join(directory, String(version)));
  if (version > 3) rmSync(path.join(directory, String(version - 3)), { recursive: true });
};
publish(1);
const child = spawn(
  process.execPath,
  [
    path.join(root, 'node_modules/slipway/bin/slipway.js'),
    'serve',
    ...['--model', `m=${directory}`, '--port', '0', '--grpc-port', 'none', '--admin-port', '0', '--threads', '1'],
    // Room for all connections at once, so that nothing is refused while a runner restarts.
    ...['--max-queue-rows', String(CONNECTIONS * Math.max(...SIZES)), '--log-level', 'error', '--json'],
  ],
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
const { url, adminUrl } = await startedServer();
console.log(`${REQUESTS} requests, ${RELOADS} reloads, ${KILLS} kills against ${url}`);

const random = generator(Number(values.seed));
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
let sent = 0;
let wrong = 0;
let version = 1;
const lost = { executing: 0, other: new Map<string, number>() };
const answeredBy = new Map<string, number>();
const memory: { readonly reload: number; readonly megabytes: number }[] = [];
let kills = 0;

const startedAt = performance.now();
let disturbed = false;
const disturbing = disturb().then(() => (disturbed = true));
await Promise.all(Array.from({ length: CONNECTIONS }, client));
await disturbing;
const seconds = (performance.now() - startedAt) / 1000;
agent.destroy();

const growth = slope(memory.slice(Math.min(5, memory.length >> 1)));
const checks: [string, boolean, string][] = [
  ['no wrong answer', wrong === 0, `${wrong} of ${sent}`],
  [
    'only what a killed runner was executing failed',
    lost.other.size === 0 && lost.executing <= kills * LOST_PER_KILL,
    `${lost.executing} lost in ${kills} kills; others: ${JSON.stringify([...lost.other])}`,
  ],
  ['every reload came to answer', answeredBy.size === version, `${answeredBy.size} of ${version} versions answered`],
  [
    `memory grows by at most ${MOST_GROWTH_MB} MB a reload`,
    RELOADS < ENOUGH_RELOADS || growth <= MOST_GROWTH_MB,
    `${growth.toFixed(2)} MB${RELOADS < ENOUGH_RELOADS ? `, not judged on fewer than ${ENOUGH_RELOADS}` : ''}; ${memory.map(({ megabytes }) => Math.round(megabytes)).join(' ')}`,
  ],
];
child.kill('SIGTERM');
const exit = await new Promise<number | null>((resolve) => child.once('exit', resolve));
checks.push(['it stops cleanly', exit === 0, `exit status ${exit}`]);
rmSync(directory, { recursive: true, force: true });
for (const [name, holds, detail] of checks) console.log(`${holds ? 'ok  ' : 'FAIL'} ${name}: ${detail}`);
console.log(`${sent} requests in ${Math.round(seconds)} s, ${Math.round(sent / seconds)} a second`);
if (checks.some(([, holds]) => !holds)) process.exitCode = 1;

async function client(): Promise<void> {
  while (sent < REQUESTS || !disturbed) {
    sent++;
    const rows = SIZES[Math.floor(random() * SIZES.length)] ?? 1;
    const inputs = Array.from({ length: rows }, () => Math.floor(random() * 1000));
    const body = JSON.stringify({ inputs: [{ name: 'x', shape: [rows, 1], datatype: 'FP32', data: inputs }] });
    const { status, text } = await ask(body);
    if (status !== 200) {
      const { code = `status ${status}` } = status === 0 ? { code: text } : (JSON.parse(text) as { code?: string });
      if (code === 'RUNNER_LOST') lost.executing++;
      else lost.other.set(code, (lost.other.get(code) ?? 0) + 1);
      continue;
    }
    const answer = JSON.parse(text) as { model_version: string; outputs: [{ data: number[] }] };
    const factor = Number(answer.model_version);
    answeredBy.set(answer.model_version, (answeredBy.get(answer.model_version) ?? 0) + 1);
    const { data } = answer.outputs[0];
    if (data.length !== rows || inputs.some((value, i) => data[i] !== value * factor)) wrong++;
  }
}

/** Reloads and kills, spread evenly over the requests. */
async function disturb(): Promise<void> {
  const events = [
    ...Array.from({ length: RELOADS }, (_, i) => ({ at: ((i + 1) / (RELOADS + 1)) * REQUESTS, kind: 'reload' })),
    ...Array.from({ length: KILLS }, (_, i) => ({ at: ((i + 0.7) / (KILLS + 1)) * REQUESTS, kind: 'kill' })),
  ].sort((a, b) => a.at - b.at);
  for (const { at, kind } of events) {
    while (sent < at) await sleep(20);
    if (kind === 'kill') await kill();
    else {
      await settled();
      memory.push({ reload: version, megabytes: treeRssBytes(child.pid ?? 0) / 1e6 });
      publish(++version);
      const patience = AbortSignal.timeout(LONGEST_RELOAD_MS);
      while (!answeredBy.has(String(version)) && !patience.aborted) await sleep(50);
    }
  }
}

/** Process ids of the runners of each version that is there. */
async function runners(): Promise<number[][]> {
  const response = await fetch(new URL('/status', adminUrl));
  const { models } = (await response.json()) as { models: { versions: { runners: { pid: number }[] }[] }[] };
  return models.flatMap(({ versions }) => versions.map((of) => of.runners.map(({ pid }) => pid)));
}

/** One version, with its runner: what was replaced or killed is gone. */
async function settled(): Promise<void> {
  const patience = AbortSignal.timeout(LONGEST_RELOAD_MS);
  while (!patience.aborted) {
    const versions = await runners();
    if (versions.length === 1 && versions[0]?.length === 1) return;
    await sleep(50);
  }
}

async function kill(): Promise<void> {
  const [pid] = (await runners()).flat();
  if (pid === undefined) return;
  process.kill(pid, 'SIGKILL');
  kills++;
}

function ask(body: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve) => {
    const outgoing = request(`${url}/v2/models/m/infer`, {
      method: 'POST',
      agent,
      headers: { 'content-length': body.length },
    });
    outgoing.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    outgoing.on('error', (error) => resolve({ status: 0, text: error.message }));
    outgoing.end(body);
  });
}

async function startedServer(): Promise<{ url: string; adminUrl: string }> {
  let text = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    text += String(chunk);
    if (text.trimEnd().endsWith('\n}')) break;
  }
  return JSON.parse(text) as { url: string; adminUrl: string };
}

/** By least squares, megabytes per reload. */
function slope(points: typeof memory): number {
  const mean = (of: (point: (typeof memory)[number]) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean(({ reload }) => reload), mean(({ megabytes }) => megabytes)];
  const covariance = points.reduce((sum, { reload, megabytes }) => sum + (reload - x) * (megabytes - y), 0);
  return covariance / points.reduce((sum, { reload }) => sum + (reload - x) ** 2, 0);
}

/** mulberry32. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
