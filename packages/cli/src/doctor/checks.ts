/**
 * Is this machine able to do what Slipway does? Each check looks at one thing, says what it found, and what to do when that is not
 * good. `warning` works but not well; `failed` does not work.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import path from 'node:path';
import { asSlipwayError, type HostFacts, openStore, tensor } from '@slipway/core';
import { isReachable } from '../client/server.ts';
import { bytes, plural } from '../frame/units.ts';
import type * as Runtime from '@slipway/runtime';
import { smokeModel } from './smoke-model.ts';

export interface Check {
  readonly name: string;
  readonly status: 'passed' | 'warning' | 'failed';
  readonly found: string;
  /** What to do; null when there is nothing to do. */
  readonly remedy: string | null;
}

const MIB = 1024 * 1024;
const NODE_MAJOR = 24;
const PORTS = [
  { port: 8500, use: 'gRPC requests' },
  { port: 8501, use: 'requests' },
  { port: 8502, use: 'admin and metrics' },
] as const;

/** @param storeDirectory of the project the doctor was called in */
export async function examine(storeDirectory: string): Promise<readonly Check[]> {
  const runtime = await import('@slipway/runtime');
  const facts = runtime.hostFacts();
  const plan = runtime.cpuPlan();
  return [
    nodeCheck(process.versions.node),
    await engineCheck(runtime, facts.engine),
    instructionsCheck(facts),
    coresCheck(plan.cores, plan.bound),
    memoryCheck(process.availableMemory(), Math.min(runtime.memoryLimit() ?? Infinity, totalmem())),
    ...(await storeChecks(storeDirectory)),
    ...(await Promise.all(PORTS.map(({ port, use }) => portCheck(port, use)))),
  ];
}

const passed = (name: string, found: string): Check => ({ name, status: 'passed', found, remedy: null });
const warning = (name: string, found: string, remedy: string): Check => ({ name, status: 'warning', found, remedy });
const failed = (name: string, found: string, remedy: string): Check => ({ name, status: 'failed', found, remedy });

export function nodeCheck(version: string): Check {
  const good = Number(version.split('.')[0]) >= NODE_MAJOR;
  const found = `Node.js ${version}`;
  return good ? passed('node', found) : failed('node', found, `Install Node.js ${NODE_MAJOR} or newer.`);
}

/** Starts a runner on a model of one node and asks it a question. */
async function engineCheck(runtime: typeof Runtime, engine: string): Promise<Check> {
  const directory = await mkdtemp(path.join(tmpdir(), 'slipway-doctor-'));
  try {
    const file = path.join(directory, 'smoke.onnx');
    await writeFile(file, smokeModel());
    const runner = await runtime.startRunner({ model: 'smoke', path: file, session: { threads: 1 } });
    try {
      const { y } = await runner.run({ x: tensor('float32', [2], new Float32Array([1, 2])) });
      if (y?.data[0] !== 1 || y.data[1] !== 2) {
        return failed('engine', `${engine} computes wrong results`, 'Reinstall Slipway.');
      }
      return passed('engine', `${engine}: a runner started in ${runner.loadMs.toFixed(0)} ms and answered`);
    } finally {
      await runner.stop();
    }
  } catch (error) {
    const problem = asSlipwayError(error);
    return failed(
      'engine',
      problem.message,
      'Install again with `npm ci`; ONNX Runtime needs Linux with glibc 2.28, macOS or Windows.',
    );
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

export function instructionsCheck(facts: Pick<HostFacts, 'cpu' | 'cpuFlags'>): Check {
  const has = (flag: string): boolean => facts.cpuFlags.some((known) => known.startsWith(flag));
  const found = [
    has('avx2') && 'AVX2',
    has('avx512') && 'AVX-512',
    (has('avx512_vnni') || has('avx_vnni')) && 'VNNI',
    has('amx') && 'AMX',
    has('asimddp') && 'dot product',
    has('i8mm') && 'int8 matrix',
  ].filter((name) => name !== false);
  const described = `${facts.cpu}: ${found.length === 0 ? 'none of AVX2, AVX-512, VNNI, AMX' : found.join(', ')}`;
  const int8 = has('avx512_vnni') || has('avx_vnni') || has('amx') || has('asimddp') || has('i8mm');
  if (int8) return passed('instructions', described);
  return warning(
    'instructions',
    described,
    'Expect no speed from int8 here; `slipway build` measures it on every candidate.',
  );
}

export function coresCheck(cores: number, bound: string): Check {
  const found = `${plural(cores, 'core')} to use (bounded by the ${bound}; the machine has ${availableParallelism()})`;
  return cores >= 2
    ? passed('cores', found)
    : warning('cores', found, 'Give the server two cores or more: one is for protocols.');
}

export function memoryCheck(available: number, limit: number): Check {
  const found = `${bytes(available)} available of ${bytes(limit)}`;
  if (available >= 512 * MIB) return passed('memory', found);
  const remedy = 'Free memory or raise the limit: the server needs about 150 MB and each runner 60 MB plus its model.';
  return available >= 160 * MIB ? warning('memory', found, remedy) : failed('memory', found, remedy);
}

async function storeChecks(directory: string): Promise<Check[]> {
  let there = directory;
  while (!existsSync(there)) there = path.dirname(there);
  const { bavail, bsize } = await statfs(there);
  return [await storeCheck(directory, there), spaceCheck(bavail * bsize, directory)];
}

async function storeCheck(directory: string, existing: string): Promise<Check> {
  let held: string;
  try {
    const releases = await (await openStore(directory)).list();
    held = `${plural(releases.length, 'release')} in ${directory}`;
  } catch (error) {
    const problem = asSlipwayError(error);
    return failed('store', problem.message, problem.remedy);
  }
  try {
    accessSync(existing, constants.W_OK);
  } catch {
    return warning(
      'store',
      `${held}, read-only`,
      'It can be served from. To build, make it writable or choose another with --store.',
    );
  }
  return passed('store', held);
}

export function spaceCheck(free: number, directory: string): Check {
  const found = `${bytes(free)} free at ${directory}`;
  if (free >= 1024 * MIB) return passed('disk', found);
  const remedy = 'Free some space: a build keeps every candidate in its cache until it is done.';
  return free >= 64 * MIB ? warning('disk', found, remedy) : failed('disk', found, remedy);
}

async function portCheck(port: number, use: string): Promise<Check> {
  const name = `port ${port}`;
  const problem = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
    const server = createServer().once('error', resolve);
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(null)));
  });
  if (problem === null) return passed(name, `free (${use})`);
  if (problem.code === 'EADDRINUSE' && (await isReachable(`http://127.0.0.1:${port}`))) {
    return warning(
      name,
      'a model server answers there already',
      'Use it, stop it, or serve on another port with --port.',
    );
  }
  return warning(
    name,
    `not free: ${problem.code ?? problem.message}`,
    'Serve on another port with --port, --grpc-port and --admin-port.',
  );
}
