/**
 * One loaded version: its runners, kept alive, and the scheduler that feeds them. `open` returns only once a runner has
 * loaded the model and reproduced its golden samples; from then on runners come and go without the clients noticing more
 * than the requests that were executing.
 */
import {
  asSlipwayError,
  type Clock,
  type Digest,
  type Logger,
  type Signature,
  type SlipwayError,
  type Tensors,
} from '@slipway/core';
import {
  type CorePool,
  type Cores,
  type Runner,
  type RunnerExit,
  type SupervisedState,
  type Supervisor,
  superviseRunner,
} from '@slipway/runtime';
import type { ServedVersion } from '../protocols/gateway.ts';
import type { TransformPool } from '@slipway/transform';
import type { Intake } from '../schedule/intake.ts';
import { Scheduler } from '../schedule/scheduler.ts';
import { VersionStats } from '../telemetry/stats.ts';
import { compileFor, type Fronted, putBefore } from '../transforms/open.ts';
import { policyOf, sessionOf } from './policy.ts';
import { differenceFrom } from './readers/expected.ts';
import { imageInputs, readSample } from './sample.ts';
import { mergeSettings, type ModelSettings, settingsOfHints } from './settings.ts';
import type { Candidate, ExpectedSignature } from './source.ts';
import { goldenInputs, warmUp } from './warm-up.ts';

export interface LoadOptions {
  /** Wins over what the release asks. */
  readonly settings: ModelSettings;
  /** What the model is said to be; null: anything. */
  readonly expects: ExpectedSignature | null;
  /** Threads of a runner where nobody says. */
  readonly threads: number;
  /** Where runners that are pinned get their cores. */
  readonly cores: CorePool;
  readonly transforms: TransformPool;
  readonly clock: Clock;
  readonly logger: Logger;
  /** All runners are gone for good. */
  readonly onFailed: (error: SlipwayError) => void;
}

/** Calls given to a runner at a time: one executes while the tensors of the next are brought over. */
const CALLS_PER_RUNNER = 2;

export type RestartReason = RunnerExit['reason'];

export class LoadedVersion implements ServedVersion {
  readonly model: string;
  readonly version: number;
  readonly digest: Digest | null;
  readonly signature: Signature;
  readonly accepts: Signature;
  readonly intake: Intake;
  /** null: clients send what the model takes. */
  readonly transforms: Fronted['intake'] | null;
  readonly classes: readonly string[] | null;
  readonly settings: ModelSettings;
  readonly sample: Tensors | null;
  readonly images: readonly string[];
  readonly scheduler: Scheduler;
  readonly stats: VersionStats;
  readonly loadSeconds: number;
  /** Ends of runners that were ready, by reason. */
  readonly restarts: Map<RestartReason, number>;
  readonly #supervisors: readonly Supervisor[];
  /** Ends the runners. */
  readonly #stop: () => Promise<void>;

  private constructor(
    candidate: Candidate,
    scheduler: Scheduler,
    stats: VersionStats,
    signature: Signature,
    fronted: Fronted | null,
    classes: readonly string[] | null,
    settings: ModelSettings,
    sample: Tensors | null,
    images: readonly string[],
    loadSeconds: number,
    restarts: Map<RestartReason, number>,
    supervisors: readonly Supervisor[],
    stop: () => Promise<void>,
  ) {
    this.model = candidate.model;
    this.version = candidate.version;
    this.digest = candidate.digest;
    this.signature = fronted?.signature ?? signature;
    this.accepts = fronted?.accepts ?? scheduler.rules.accepts;
    this.transforms = fronted?.intake ?? null;
    this.intake = this.transforms ?? scheduler;
    this.classes = classes;
    this.settings = settings;
    this.sample = sample;
    this.images = images;
    this.scheduler = scheduler;
    this.stats = stats;
    this.loadSeconds = loadSeconds;
    this.restarts = restarts;
    this.#supervisors = supervisors;
    this.#stop = stop;
  }

  /** @throws why the model cannot be loaded */
  static async open(candidate: Candidate, options: LoadOptions): Promise<LoadedVersion> {
    const { clock, logger } = options;
    const startedAt = clock.now();
    const label = `${candidate.model}:${candidate.version}`;
    const { path, serving, classes = null, declared, golden } = await candidate.locate();
    const settings = mergeSettings(settingsOfHints(serving), options.settings);
    const transforms =
      declared === undefined || settings.transforms === false ? undefined : { declared, directory: path };
    const compiling = compileFor(options.transforms, candidate.model, transforms);
    // What it throws is read below, once the runners have started or failed.
    compiling.catch(() => undefined);
    const stats = new VersionStats();
    const restarts = new Map<RestartReason, number>();
    const ready = new Set<Runner>();
    let scheduler: Scheduler | null = null;
    let warm: ((runner: Runner) => Promise<void>) | null = null;

    const follow = (): ((event: { state: SupervisedState; exit: RunnerExit | null }) => void) => {
      let current: Runner | null = null;
      return ({ state, exit }) => {
        if (current !== null) {
          ready.delete(current);
          scheduler?.detach(current);
          current = null;
        }
        if (exit !== null) {
          restarts.set(exit.reason, (restarts.get(exit.reason) ?? 0) + 1);
          logger.warn(
            { event: 'runner.ended', model: candidate.model, version: candidate.version, ...exit },
            'runner ended',
          );
        }
        if (state.kind === 'ready') {
          const runner = (current = state.runner);
          const attach = (): void => {
            // It may have ended while it was warmed; then there is another already.
            if (current !== runner) return;
            ready.add(runner);
            scheduler?.attach(runner, CALLS_PER_RUNNER);
          };
          // The first ones are warmed by `open`; of one that comes back, clients notice nothing either.
          if (warm === null) attach();
          else void warm(runner).then(attach, attach);
        }
        if (state.kind === 'failed' && scheduler !== null && ready.size === 0) options.onFailed(state.error);
      };
    };
    const session = sessionOf(settings, options.threads);
    const cores: Cores[] = [];
    const supervisors = Array.from({ length: settings.instances ?? 1 }, () => {
      const own = settings.session?.pinned === true ? options.cores.take(session.threads) : null;
      if (own !== null) cores.push(own);
      return superviseRunner(
        { model: label, path, session, logger, ...(own === null ? {} : { cpus: own.cpus }) },
        { onEvent: follow(), clock, giveUpAfter: 6 },
      );
    });
    const stop = async (): Promise<void> => {
      await Promise.all(supervisors.map((supervisor) => supervisor.stop()));
      for (const { release } of cores) release();
    };
    try {
      const [first] = await Promise.all(supervisors.map((supervisor) => supervisor.ready()));
      if (first === undefined) throw new Error('no runners');
      const difference = options.expects === null ? null : differenceFrom(options.expects, first.signature);
      if (difference !== null) throw difference;
      const policy = policyOf(settings);
      const plan = {
        signature: first.signature,
        settings: settings.warmUp ?? {},
        maxBatchSize: settings.batching?.whole === true ? 1 : policy.maxBatchSize,
        preferred: settings.batching?.preferredBatchSizes ?? [],
        latencyBudgetMs: policy.latencyBudgetMs,
        golden: golden === undefined ? null : goldenInputs(path, golden, first.signature),
        clock,
      };
      const warmAll = async (runner: Runner): Promise<void> => {
        const { skipped } = await warmUp((inputs) => runner.run(inputs), plan);
        if (skipped !== null) logger.warn({ event: 'model.not_warmed' }, `${label} is not warmed up: ${skipped}`);
      };
      await Promise.all([...ready].map(warmAll));
      warm = warmAll;
      const program = await compiling;
      scheduler = new Scheduler({
        model: candidate.model,
        signature: first.signature,
        policy,
        clock,
        defer: setImmediate,
        observer: { batch: (rows, seconds) => stats.ran(rows, seconds) },
      });
      for (const runner of ready) scheduler.attach(runner, CALLS_PER_RUNNER);
      const { model } = candidate;
      const fronted =
        program === null || transforms === undefined
          ? null
          : putBefore(scheduler, program, transforms, { model, signature: first.signature, stats, clock });
      // The samples of a release are what its model takes, which clients of a declared transform do not send.
      const sample = fronted === null ? await readSample(path, first.signature) : null;
      const seconds = (clock.now() - startedAt) / 1000;
      return new LoadedVersion(
        candidate,
        scheduler,
        stats,
        first.signature,
        fronted,
        classes,
        settings,
        sample,
        fronted === null ? [] : imageInputs(declared?.transforms),
        seconds,
        restarts,
        supervisors,
        stop,
      );
    } catch (error) {
      await stop();
      await compiling.then(
        (program) => program?.close(),
        () => undefined,
      );
      throw asSlipwayError(error);
    }
  }

  /** What the runners occupied at most since they started, bytes. */
  async peakBytes(): Promise<number> {
    const each = await Promise.all(this.runners().map((runner) => runner.memory().catch(() => ({ peakRssBytes: 0 }))));
    return each.reduce((sum, { peakRssBytes }) => sum + peakRssBytes, 0);
  }

  /** The runners that are up. */
  runners(): Runner[] {
    return this.#supervisors.flatMap(({ state }) => (state.kind === 'ready' ? [state.runner] : []));
  }

  async memoryBytes(): Promise<number> {
    // A runner that ends while it is asked weighs nothing any more.
    const each = await Promise.all(this.runners().map((runner) => runner.memory().catch(() => ({ rssBytes: 0 }))));
    return each.reduce((sum, { rssBytes }) => sum + rssBytes, 0);
  }

  /** Finish what was submitted, for at most `graceMs`, then end the runners. */
  async close(clock: Clock, graceMs: number, error: SlipwayError): Promise<void> {
    await Promise.race([
      this.intake.drained(),
      new Promise<void>((resolve) => {
        clock.after(graceMs, resolve);
      }),
    ]);
    this.intake.abort(error);
    this.transforms?.close();
    await this.#stop();
  }
}
