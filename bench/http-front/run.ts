/**
 * How much of what `node:http` can do with a small JSON request is left when the request also runs a model?
 * Rounds alternate between the contestants, so that a disturbance of the machine meets all of them. See README.md.
 */
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import path from 'node:path';

const CONNECTIONS = 64;
const SECONDS = Number(process.env.SECONDS ?? 5);
const ROUNDS = Number(process.env.ROUNDS ?? 5);
const HERE = import.meta.dirname;

interface Contestant {
  readonly name: string;
  readonly pid: number;
  readonly url: string;
  readonly env: Record<string, string>;
}

interface Round {
  readonly requestsPerSecond: number;
  readonly cpuMicrosPerRequest: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

async function start(script: string): Promise<{ pid: number; port: number; stop: () => void }> {
  const child = spawn(process.execPath, [path.join(HERE, script)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.once('data', (text: Buffer) => resolve(Number(text.toString())));
    child.once('exit', () => reject(new Error(`${script} ended`)));
  });
  return { pid: child.pid ?? 0, port, stop: () => child.kill('SIGTERM') };
}

/** User and system time of one process, in 10 ms ticks. Its children (runners) are not counted. */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

const milliseconds = (text: string | undefined): number => {
  const [, number = 'NaN', unit = 'ms'] = /^([\d.]+)(us|ms|s)$/.exec(text ?? '') ?? [];
  return Number(number) * { us: 0.001, ms: 1, s: 1000 }[unit as 'us' | 'ms' | 's'];
};

function measure({ pid, url, env }: Contestant): Round {
  const before = cpuTicks(pid);
  const wrkArguments = [
    '-t1',
    `-c${CONNECTIONS}`,
    `-d${SECONDS}s`,
    '--latency',
    '-s',
    path.join(HERE, 'request.lua'),
    url,
  ];
  const output = execFileSync('wrk', wrkArguments, { encoding: 'utf8', env: { ...process.env, ...env } });
  if (/Non-2xx|Socket errors/.test(output)) throw new Error(output);
  const requests = Number(/(\d+) requests in/.exec(output)?.[1]);
  return {
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1]),
    cpuMicrosPerRequest: ((cpuTicks(pid) - before) * 10_000) / requests,
    p50Ms: milliseconds(/50%\s+(\S+)/.exec(output)?.[1]),
    p99Ms: milliseconds(/99%\s+(\S+)/.exec(output)?.[1]),
  };
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;
const round = (value: number): number => Number(value.toPrecision(4));

const echo = await start('echo.ts');
const serve = await start('serve.ts');
const predict = `http://127.0.0.1:${serve.port}/v1/models/one:predict`;
const contestants: Contestant[] = [
  { name: 'node:http echo', pid: echo.pid, url: `http://127.0.0.1:${echo.port}/`, env: {} },
  { name: 'slipway', pid: serve.pid, url: predict, env: {} },
  // A header that is not plain sends the connection through node:http: the same server without its own front.
  { name: 'slipway through node:http', pid: serve.pid, url: predict, env: { EXTRA_HEADER: 'Keep-Alive' } },
];
const rounds = new Map(contestants.map(({ name }) => [name, [] as Round[]]));
for (const contestant of contestants) measure(contestant);
for (let i = 0; i < ROUNDS; i++)
  {for (const contestant of contestants) rounds.get(contestant.name)?.push(measure(contestant));}
echo.stop();
serve.stop();

const results = contestants.map(({ name }) => {
  const of = rounds.get(name) ?? [];
  const figure = (pick: (of: Round) => number): number => round(median(of.map(pick)));
  return {
    name,
    requestsPerSecond: figure((of) => of.requestsPerSecond),
    cpuMicrosPerRequest: figure((of) => of.cpuMicrosPerRequest),
    p50Ms: figure((of) => of.p50Ms),
    p99Ms: figure((of) => of.p99Ms),
    all: of.map((one) => round(one.requestsPerSecond)),
  };
});
const base = results[0]?.requestsPerSecond ?? NaN;
const report = {
  question: 'share of a bare node:http JSON echo at 64 connections',
  machine: { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version },
  settings: { connections: CONNECTIONS, seconds: SECONDS, rounds: ROUNDS },
  results: results.map((result) => ({ ...result, shareOfEcho: round(result.requestsPerSecond / base) })),
};
for (const { name, requestsPerSecond, shareOfEcho, cpuMicrosPerRequest, p50Ms, p99Ms } of report.results) {
  console.log(
    `${name.padEnd(28)} ${requestsPerSecond} req/s  ×${shareOfEcho}  ${cpuMicrosPerRequest} µs CPU/request  p50 ${p50Ms} ms  p99 ${p99Ms} ms`,
  );
}
if (process.argv.includes('--record')) {
  writeFileSync(path.join(HERE, 'recorded.json'), `${JSON.stringify(report, null, 2)}\n`);
}
