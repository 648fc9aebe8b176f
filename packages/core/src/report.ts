/**
 * The report of a build: what was measured, on which host, with sample counts and intervals, for every candidate.
 * `prepare` writes it (JSON, terminal table, HTML); everything else reads it. Times are milliseconds, sizes bytes,
 * shares 0–1.
 */
import type { Metric } from './config/data.ts';
import type { Gates } from './config/gates.ts';
import type { Objective } from './config/recipe.ts';
import type { Digest } from './digest.ts';
import type { Lineage } from './manifest.ts';
import type { PassSpec } from './passes.ts';
import type { Signature } from './signature.ts';

export const REPORT_SCHEMA = 'slipway.report/v1';

/** A share with its interval (Wilson score) and how many rows it comes from. */
export interface Proportion {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** Confidence level of the interval, for example 0.95. */
  readonly confidence: number;
  readonly correct: number;
  readonly total: number;
}

/** Differences of a candidate's outputs from those of the source, over the same rows. */
export interface Parity {
  readonly rows: number;
  /** Signal-to-quantization-noise ratio, dB; null when the outputs are identical (no noise). */
  readonly sqnrDb: number | null;
  readonly cosine: number;
  readonly maxAbsoluteError: number;
  /** Share of rows whose largest output is the same; null when no output has a class axis. */
  readonly argmaxAgreement: number | null;
}

/** A ratio with its interval, from paired measurements. */
export interface RatioInterval {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

export interface Latency {
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly meanMs: number;
  readonly iterations: number;
  readonly batch: number;
  readonly threads: number;
  /** Time per call relative to the source, measured in the same interleaved rounds; null for the source itself. */
  readonly versusSource: RatioInterval | null;
  /** Taken over from an earlier build that measured the same model in the same way on the same host. */
  readonly cached: boolean;
}

export interface Size {
  readonly bytes: number;
  /** zstd, level as recorded in the report's tools. */
  readonly compressedBytes: number;
}

export interface LayerSparsity {
  readonly name: string;
  readonly operator: string;
  readonly elements: number;
  readonly zeros: number;
  readonly dtype: string;
}

export interface GateResult {
  readonly gate: keyof Gates;
  readonly bound: number;
  /** null: the figure could not be measured, which fails the gate. */
  readonly actual: number | null;
  readonly passed: boolean;
}

/** `winner` was released; `passed` could have been; `failed` broke a gate; `refused` broke none but does not deliver what its
 *  passes are for; `error` could not be made or measured. */
export type Verdict = 'winner' | 'passed' | 'refused' | 'failed' | 'error';

export interface CandidateReport {
  readonly name: string;
  readonly passes: readonly PassSpec[];
  readonly verdict: Verdict;
  /** Why, in one sentence a person understands. */
  readonly reason: string;
  readonly digest: Digest | null;
  readonly size: Size | null;
  readonly accuracy: Proportion | null;
  readonly latency: Latency | null;
  readonly peakRssBytes: number | null;
  readonly parity: Parity | null;
  readonly sparsity: readonly LayerSparsity[];
  readonly gates: readonly GateResult[];
  /** Notes of the passes: what they did, what they left alone and why. */
  readonly notes: readonly string[];
}

export interface HostFacts {
  readonly platform: string;
  readonly cpu: string;
  readonly cpuFlags: readonly string[];
  readonly cores: number;
  readonly memoryBytes: number;
  readonly node: string;
  readonly engine: string;
}

export interface Report {
  readonly schema: typeof REPORT_SCHEMA;
  readonly name: string;
  readonly createdAt: string;
  readonly durationMs: number;
  readonly host: HostFacts;
  /** What measured and how, by tool: versions, compression level. */
  readonly tools: Readonly<Record<string, string>>;
  readonly signature: Signature;
  readonly metric: Metric;
  readonly objective: Objective;
  readonly gates: Gates;
  /** Which candidate each objective would choose; null when none passed, or what it looks at was not measured. */
  readonly choices: Readonly<Record<Objective, string | null>>;
  readonly winner: string | null;
  readonly release: { readonly digest: Digest; readonly version: number } | null;
  readonly candidates: readonly CandidateReport[];
  readonly lineage: Lineage | null;
  readonly rows: { readonly calibration: number; readonly evaluation: number };
}
