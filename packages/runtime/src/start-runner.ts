/**
 * Start a runner and wait until it is fit to serve: process up, model loaded, signature known, golden samples reproduced.
 * Anything less is an error that says why, and leaves no process behind.
 */
import {
  type Clock,
  fail,
  fromSystemError,
  MANIFEST_FILE,
  type Signature,
  SlipwayError,
  systemClock,
  type Tensors,
  validateInputs,
} from '@slipway/core';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Calls } from './calls.ts';
import { defaultThreads } from './host/cpu-plan.ts';
import { hostFacts } from './host/host-facts.ts';
import { checkRequirement } from './host/requirement.ts';
import { exitReason, type ExitFacts } from './exit-reason.ts';
import { checkGolden, readGolden } from './golden.ts';
import { locate, type Located } from './locate.ts';
import { checkConfig } from './onnxruntime/config-keys.ts';
import type { LoadRequest, ReadyReply } from './protocol.ts';
import type { Runner, RunnerExit, RunnerOptions } from './runner.ts';
import { type RunnerProcess, spawnRunner } from './spawn.ts';
import { assemble, type Description, type Frame, KIND } from './wire/frame.ts';

const START_TIMEOUT_MS = 120_000;
const HANG_TIMEOUT_MS = 30_000;
/** A stopped runner has nothing left to do: what has not gone by then is killed. */
const STOP_TIMEOUT_MS = 5000;

/** What a test may replace. */
export interface RunnerWorld {
  readonly clock: Clock;
  readonly spawn: typeof spawnRunner;
}

const REAL: RunnerWorld = { clock: systemClock, spawn: spawnRunner };

/** @throws HOST_UNSUPPORTED, SESSION_INVALID, PROVIDER_UNAVAILABLE, RUNNER_START_FAILED, ENGINE_UNAVAILABLE, GOLDEN_MISMATCH, and every error about the model itself */
export async function startRunner(options: RunnerOptions, world: RunnerWorld = REAL): Promise<Runner> {
  const located = await locate(options.path);
  checkRequirement(located.manifest?.requires, hostFacts(), options.model);
  checkConfig(options.session.config ?? {}, options.model);
  const started = world.clock.now();
  const runnerProcess = spawnOrFail(options, world);
  const handle = new RunnerHandle(options, runnerProcess, world.clock);
  const callOff = (): void => handle.end('stopped');
  if (options.signal?.aborted === true) callOff();
  options.signal?.addEventListener('abort', callOff, { once: true });
  try {
    const ready = await handle.load(located);
    const { manifest } = located;
    if (manifest !== null) checkSignature(manifest.signature, ready.signature, located);
    const runner = handle.runner(manifest?.signature ?? ready.signature);
    if (manifest?.golden !== undefined && options.golden !== false) {
      const samples = readGolden(located.directory, manifest.golden);
      await checkGolden(runner, samples, manifest.golden, options.model);
    }
    const loadMs = world.clock.now() - started;
    options.logger?.debug({ model: options.model, runner: runnerProcess.pid, loadMs, ...ready.timing }, 'runner ready');
    return { ...runner, loadMs };
  } catch (error) {
    handle.end('start-failed');
    await handle.exited;
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', callOff);
  }
}

function spawnOrFail({ model, logger, cpus }: RunnerOptions, world: RunnerWorld): RunnerProcess {
  try {
    return world.spawn(model, logger, cpus ?? null);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw fail('RUNNER_START_FAILED', { model, problem }, { cause: error });
  }
}

/** The manifest may know more (shapes, and better names for dimensions), but it must not contradict the model. */
function checkSignature(stated: Signature, actual: Signature, { directory }: Located): void {
  for (const kind of ['inputs', 'outputs'] as const) {
    const names = (specs: Signature['inputs']): string =>
      specs.map(({ name, dtype }) => `${dtype} "${name}"`).join(', ');
    const [said, found] = [names(stated[kind]), names(actual[kind])];
    if (said === found) continue;
    const problem = `the signature has the ${kind} ${said}, the model has ${found}`;
    throw fail('MANIFEST_INVALID', { path: path.join(directory, MANIFEST_FILE), problem });
  }
}

class RunnerHandle {
  readonly exited: Promise<RunnerExit>;
  readonly #options: RunnerOptions;
  readonly #process: RunnerProcess;
  readonly #clock: Clock;
  readonly #calls: Calls;
  #ended: ExitFacts['ended'] = null;
  #stopping: Promise<void> | null = null;

  constructor(options: RunnerOptions, runnerProcess: RunnerProcess, clock: Clock) {
    this.#options = options;
    this.#process = runnerProcess;
    this.#clock = clock;
    this.#calls = new Calls({
      model: options.model,
      socket: runnerProcess.socket,
      shared: runnerProcess.shared,
      clock,
      hangTimeoutMs: options.hangTimeoutMs ?? HANG_TIMEOUT_MS,
      onHang: () => this.end('hang'),
      onNonsense: () => this.end('nonsense'),
    });
    this.exited = runnerProcess.closed.then((facts) => {
      const exit = exitReason({ ...facts, ended: this.#ended });
      this.#calls.end(exit);
      return exit;
    });
  }

  /** Kill the process, for this reason. */
  end(why: NonNullable<ExitFacts['ended']>): void {
    this.#ended ??= why;
    this.#process.kill();
  }

  async load({ file }: Located): Promise<ReadyReply> {
    const { model, session } = this.#options;
    const timeoutMs = this.#options.startTimeoutMs ?? START_TIMEOUT_MS;
    const request: LoadRequest = {
      model,
      file,
      shared: this.#process.shared !== null,
      session: { threads: defaultThreads(), spinning: false, optimization: 'all', ...session },
    };
    let timedOut = false as boolean;
    const cancel = this.#clock.after(timeoutMs, () => {
      timedOut = true;
      this.end('start-failed');
    });
    try {
      const answer = await this.#calls.submit(KIND.load, request, null);
      return answer.description as ReadyReply;
    } catch (error) {
      // What the runner answered is about the model; that it did not answer is about the runner.
      if (!(error instanceof SlipwayError) || !['RUNNER_LOST', 'RUNNER_GONE'].includes(error.code)) throw error;
      const { reason, detail } = await this.exited;
      const { error: spawnError } = await this.#process.closed;
      const why = timedOut
        ? `it was not ready within ${timeoutMs} ms`
        : (spawnError?.message ?? `${reason}: ${detail}`);
      const printed = this.#process.output().slice(-3).join(' | ');
      const problem = printed === '' ? why : `${why}; it printed: ${printed}`;
      throw fail('RUNNER_START_FAILED', { model, problem }, { cause: error });
    } finally {
      cancel();
    }
  }

  runner(signature: Runner['signature']): Omit<Runner, 'loadMs'> {
    const calls = this.#calls;
    calls.watch();
    const aliveEveryMs = (this.#options.hangTimeoutMs ?? HANG_TIMEOUT_MS) / 4;
    const tensors = async (answer: Promise<Frame>): Promise<Tensors> => {
      const { description, payload } = await answer;
      return assemble(description as Description, payload);
    };
    return {
      pid: this.#process.pid,
      signature,
      exited: this.exited,
      run: async (inputs) => {
        validateInputs(signature, inputs);
        return tensors(calls.submit(KIND.run, null, inputs));
      },
      runStacked: async (parts) => {
        for (const inputs of parts) validateInputs(signature, inputs);
        return tensors(calls.submit(KIND.run, null, parts));
      },
      measure: async (inputs, { warmup, iterations }) => {
        validateInputs(signature, inputs);
        const { times } = await tensors(calls.submit(KIND.measure, { warmup, iterations, aliveEveryMs }, inputs));
        return { timesMs: times?.data as Float64Array };
      },
      memory: () => processMemory(this.#process.pid),
      stop: () => (this.#stopping ??= this.#stop()),
    };
  }

  async #stop(): Promise<void> {
    await this.#calls.idle();
    this.#ended ??= 'stopped';
    this.#calls.submit(KIND.stop, null, null).catch(() => undefined);
    const cancel = this.#clock.after(STOP_TIMEOUT_MS, () => this.end('stopped'));
    await this.exited;
    cancel();
  }
}

/** From the kernel and not from the runner, which may be busy. */
async function processMemory(pid: number): Promise<{ rssBytes: number; peakRssBytes: number }> {
  const file = `/proc/${pid}/status`;
  try {
    const status = await readFile(file, 'utf8');
    const bytes = (field: string): number =>
      Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024;
    return { rssBytes: bytes('VmRSS'), peakRssBytes: bytes('VmHWM') };
  } catch (error) {
    throw fromSystemError(error, file, 'reading');
  }
}
