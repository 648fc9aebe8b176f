/**
 * Slipway beside the servers people use, and beside one written by hand in Rust: same machine, same run, same model, same
 * bytes. Prints one table per model and records them. See README.md for what is compared and what was left out.
 *
 * Usage: npm run bench:peers [-- --only PEER,… --models MODEL,… --seconds N --rounds N]
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Tensors } from '@slipway/core';
import { openOnnxruntime } from '@slipway/runtime';
import { machine } from '../harness/machine.ts';
import { median } from '../harness/median.ts';
import { hasWrk, wrk } from '../harness/wrk.ts';
import { type Body, inputsOf, requestBody, type Subject, subjects } from './models.ts';
import { type Peer, peers } from './peers.ts';
import { freePort, start } from './process.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    models: { type: 'string' },
    seconds: { type: 'string' },
    rounds: { type: 'string' },
  },
});
const SECONDS = Number(values.seconds ?? 5);
const ROUNDS = Number(values.rounds ?? 2);
const CONNECTIONS = [1, 16, 64] as const;
/** Share of the best rate at 64 connections at which users arrive by chance. */
const LOAD = 0.7;

interface Closed {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

interface Visit {
  readonly firstAnswerSeconds: number;
  readonly idleMegabytes: number;
  readonly closed: readonly Closed[];
  /** At `LOAD` of the slowest good server of all, so that every one gets the same arrivals; null for light models. */
  poisson: { readonly perSecond: number; readonly p50Ms: number; readonly p99Ms: number } | null;
}

const root = path.resolve(import.meta.dirname, '../..');
const cache = path.join(root, '.cache/bench/peers');
if (!hasWrk()) throw new Error('wrk is not installed: apt-get install wrk');

const wanted = (list: string | undefined, name: string): boolean =>
  list === undefined || list.split(',').includes(name);
const round = (value: number, digits: number): number => Number(value.toFixed(digits));

const able: Peer[] = [];
const unable: { peer: string; reason: string }[] = [];
for (const peer of peers(cache)) {
  if (!wanted(values.only, peer.name)) continue;
  try {
    peer.prepare();
    able.push(peer);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    unable.push({ peer: peer.name, reason });
    console.log(`${peer.name}: not measured: ${reason}`);
  }
}

const tables = [];
for (const subject of await subjects(path.join(root, '.cache/bench/models'), path.resolve(root, '../shared/data'))) {
  if (!wanted(values.models, subject.name)) continue;
  const kinds =
    subject.name === 'mlp'
      ? (['json', 'binary'] as const)
      : subject.stackable
        ? (['json'] as const)
        : (['binary'] as const);
  const expected = await reference(subject);
  for (const kind of kinds) tables.push(await table(subject, kind, expected));
}
if (values.only === undefined && values.models === undefined) {
  const file = path.join(import.meta.dirname, 'results.json');
  writeFileSync(
    file,
    `${JSON.stringify({ machine: machine(), settings: { seconds: SECONDS, rounds: ROUNDS }, unable, tables }, null, 2)}\n`,
  );
  console.log(`recorded in ${path.relative(process.cwd(), file)}`);
}

async function table(subject: Subject, kind: 'json' | 'binary', expected: readonly number[]): Promise<unknown> {
  const body = requestBody(subject, kind);
  const visits = new Map<string, Visit[]>();
  const failed = new Map<string, string>();
  const visit = async (
    peer: Peer,
    then: (url: string, visited: Visit[]) => Pick<Visit, 'closed' | 'poisson'>,
  ): Promise<void> => {
    if (failed.has(peer.name)) return;
    try {
      const visited = visits.get(peer.name) ?? [];
      visits.set(peer.name, visited);
      const port = await freePort();
      await using server = await start(peer.command(subject, port), port, body, expected);
      await sleep(2000);
      const idleMegabytes = round(server.megabytes(), 0);
      const measured = then(server.url, visited);
      visited.push({ ...measured, firstAnswerSeconds: round(server.firstAnswerSeconds, 2), idleMegabytes });
    } catch (error) {
      failed.set(peer.name, error instanceof Error ? error.message : String(error));
    }
  };
  const chosen = able.filter(({ binary }) => kind === 'json' || binary);
  for (let i = 0; i < ROUNDS; i++) {
    for (const peer of chosen) {
      await visit(peer, (url) => {
        load(url, body, 16, 2);
        const closed = CONNECTIONS.map((connections) => load(url, body, connections, SECONDS));
        return { closed, poisson: null };
      });
    }
  }
  const best = (name: string): number =>
    median((visits.get(name) ?? []).map(({ closed }) => closed.at(-1)?.perSecond ?? 0));
  const rate = LOAD * best('native');
  if (subject.heavy && rate > 0) {
    for (let i = 0; i < ROUNDS; i++) {
      for (const peer of chosen) {
        if (best(peer.name) < rate) continue;
        const round = i;
        await visit(peer, (url, visited) => {
          load(url, body, 16, 2);
          const before = visited[round];
          if (before === undefined) throw new Error('not measured before');
          before.poisson = arrivals(url, body, rate, SECONDS * 2);
          return { closed: [], poisson: null };
        });
        // The visit that only measured arrivals is no other measurement.
        visits.get(peer.name)?.splice(ROUNDS);
      }
    }
  }
  return show(subject, kind, visits, failed);
}

function load(url: string, body: Body, connections: number, seconds: number): Closed {
  const result = wrk({ url, body: body.bytes, headers: body.headers, connections, seconds });
  if (result.errors > 0) throw new Error(`${result.errors} errors at ${connections} connections`);
  return {
    perSecond: round(result.requestsPerSecond, 0),
    p50Ms: round(result.p50Ms, 2),
    p99Ms: round(result.p99Ms, 2),
  };
}

function arrivals(url: string, body: Body, rate: number, seconds: number): NonNullable<Visit['poisson']> {
  const { host, pathname } = new URL(url);
  const file = path.join(cache, 'body');
  mkdirSync(cache, { recursive: true });
  writeFileSync(file, body.bytes);
  const headers = Object.entries(body.headers).map(([name, value]) => `${name}:${value}`);
  const args = [host, pathname, file, String(rate), String(seconds), ...headers];
  const { stdout, stderr, status } = spawnSync(path.join(cache, 'native/release/poisson'), args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`poisson: ${stderr}`);
  const result = JSON.parse(stdout) as { p50Ms: number; p99Ms: number; errors: number };
  if (result.errors > 0) throw new Error(`${result.errors} errors under Poisson arrivals`);
  return { perSecond: round(rate, 0), p50Ms: round(result.p50Ms, 2), p99Ms: round(result.p99Ms, 2) };
}

interface Row {
  readonly peer: string;
  readonly firstAnswerSeconds: number;
  readonly idleMegabytes: number;
  readonly closed: readonly (Closed & { readonly connections: number })[];
  readonly poisson: Visit['poisson'];
  /** Slipway's rate at 64 connections over this one's. */
  readonly slipwayOver: number | null;
}

function show(
  subject: Subject,
  kind: string,
  visits: ReadonlyMap<string, Visit[]>,
  failed: ReadonlyMap<string, string>,
): unknown {
  const of = (name: string, figure: (visit: Visit) => number): number => median((visits.get(name) ?? []).map(figure));
  const rate = (name: string): number => of(name, ({ closed }) => closed.at(-1)?.perSecond ?? NaN);
  const rows: Row[] = [...visits.keys()]
    .filter((name) => !failed.has(name))
    .map((name) => {
      const arrived = (visits.get(name) ?? []).flatMap(({ poisson }) => poisson ?? []);
      return {
        peer: name,
        firstAnswerSeconds: round(
          of(name, (visit) => visit.firstAnswerSeconds),
          2,
        ),
        idleMegabytes: round(
          of(name, (visit) => visit.idleMegabytes),
          0,
        ),
        closed: CONNECTIONS.map((connections, at) => ({
          connections,
          perSecond: round(
            of(name, ({ closed }) => closed[at]?.perSecond ?? NaN),
            0,
          ),
          p50Ms: round(
            of(name, ({ closed }) => closed[at]?.p50Ms ?? NaN),
            2,
          ),
          p99Ms: round(
            of(name, ({ closed }) => closed[at]?.p99Ms ?? NaN),
            2,
          ),
        })),
        poisson:
          arrived[0] === undefined
            ? null
            : {
                perSecond: arrived[0].perSecond,
                p50Ms: round(median(arrived.map(({ p50Ms }) => p50Ms)), 2),
                p99Ms: round(median(arrived.map(({ p99Ms }) => p99Ms)), 2),
              },
        slipwayOver: visits.has('slipway') ? round(rate('slipway') / rate(name), 2) : null,
      };
    })
    .sort((a, b) => rate(b.peer) - rate(a.peer));
  console.log(`\n${subject.name}, ${kind}: requests/s (p50 / p99 ms)`);
  console.table(
    rows.map((row) => ({
      peer: row.peer,
      ...Object.fromEntries(row.closed.map((c) => [`c=${c.connections}`, `${c.perSecond} (${c.p50Ms} / ${c.p99Ms})`])),
      ...(row.poisson === null
        ? {}
        : { [`Poisson ${row.poisson.perSecond}/s`]: `${row.poisson.p50Ms} / ${row.poisson.p99Ms}` }),
      'first answer s': row.firstAnswerSeconds,
      'idle MB': row.idleMegabytes,
      'slipway ×': row.slipwayOver,
    })),
  );
  for (const [name, reason] of failed) console.log(`${name}: not measured: ${reason}`);
  return { model: subject.name, body: kind, rows, failed: Object.fromEntries(failed) };
}

/** The answer of the engine itself. */
async function reference(subject: Subject): Promise<number[]> {
  const session = await (
    await openOnnxruntime()
  ).load(subject.file, { threads: 1, spinning: false, optimization: 'all' });
  const outputs: Tensors = await session.run(inputsOf(subject));
  await session.release();
  return Array.from(outputs[subject.output]?.data as Float32Array);
}
