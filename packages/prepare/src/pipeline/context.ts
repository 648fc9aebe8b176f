/** What every stage of one build shares. */
import { type Clock, type Config, type Logger, slipwayVersion } from '@slipway/core';
import { cpuPlan, onnxruntimeVersion, type SessionOptions } from '@slipway/runtime';
import type { StageCache } from './cache.ts';
import type { BuildHooks, BuildStage } from './hooks.ts';

export interface BuildContext {
  readonly config: Config;
  readonly cache: StageCache;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Memory to plan with, bytes. */
  readonly memoryBytes: number;
  /** How every model of this build is run, so that figures compare. */
  readonly session: Pick<SessionOptions, 'threads' | 'spinning'>;
  /** Tools whose version can change a result: part of every cache key, and of the lineage. */
  readonly tools: Readonly<Record<string, string>>;
  readonly tell: (stage: BuildStage, candidate: string | null, detail: string, fraction: number) => void;
}

export function sessionOf(config: Config): BuildContext['session'] {
  return { threads: config.measure.threads ?? cpuPlan().threads, spinning: false };
}

export function toolVersions(): Record<string, string> {
  return { slipway: slipwayVersion(), onnxruntime: onnxruntimeVersion() };
}

export function teller(progress: BuildHooks['progress']): BuildContext['tell'] {
  return (stage, candidate, detail, fraction) =>
    progress?.({ stage, candidate, detail, fraction: Math.max(0, Math.min(1, fraction)) });
}
