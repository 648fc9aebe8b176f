/**
 * The report of a build: what was measured, on which host, with sample counts and intervals, for every candidate.
 * `prepare` writes it (JSON, terminal table, HTML); everything else reads it. Times are milliseconds, sizes bytes,
 * shares 0–1.
 */
import type { Slicing } from './config/data.ts';
import type { Evidence, Gates, NumericGate } from './config/gates.ts';
import type { Objective, Sampler } from './config/search.ts';
import type { Digest } from './digest.ts';
import type { Lineage } from './manifest.ts';
import type { PassSpec } from './passes.ts';
import type { Signature } from './signature.ts';

export const REPORT_SCHEMA = 'slipway.report/v2';

/** How the value of a metric reads: as a percentage, in decibels, or as the number it is. */
export type MetricUnit = 'share' | 'decibels' | 'plain';

/** A figure, the interval it is uncertain within, and how many rows it comes from. */
export interface Estimate {
  readonly value: number;
  /** Both null when there is no interval: too few rows, or a figure that resampling cannot vary. */
  readonly low: number | null;
  readonly high: number | null;
  /** Confidence level of the interval, for example 0.95. */
  readonly confidence: number;
  readonly method: 'wilson' | 'bootstrap';
  readonly rows: number;
}

/** How a candidate's figure differs from the source's on the same rows. */
export interface MetricDifference {
  /** Candidate minus source, in the unit of the metric, and its interval. */
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
  readonly confidence: number;
  /** How likely a difference at least this large is between two equally good models. */
  readonly p: number;
  readonly test: 'mcnemar' | 'bootstrap';
  /** Real differences only: `same` means that none was shown, not that there is none. */
  readonly verdict: 'better' | 'worse' | 'same';
  /** Rows that only the source, and only the candidate, gets right; where rows are right or wrong. */
  readonly lost: number | null;
  readonly gained: number | null;
}

/** The same metric over some of the rows. */
export interface SliceValue {
  readonly by: Slicing;
  readonly name: string;
  readonly rows: number;
  /** null: not defined on these rows, for example an AUC where all have one class. */
  readonly value: Estimate | null;
  readonly versusSource: MetricDifference | null;
}

export interface MetricValue {
  readonly name: string;
  readonly unit: MetricUnit;
  readonly better: 'higher' | 'lower';
  /** null: not defined on these rows. */
  readonly value: Estimate | null;
  /** null for the source itself. */
  readonly versusSource: MetricDifference | null;
  readonly slices: readonly SliceValue[];
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

/** How far one tensor of a model is from the tensor of the same name in another, over the same rows. */
export interface TensorError {
  /** Decibels; null when they are equal. Counts elements that are finite in both. */
  readonly sqnrDb: number | null;
  /** What occurs where the first model has a finite value. */
  readonly notFinite: 'NaN' | 'infinite' | null;
}

/** The first node whose inputs are still close to those of the other model and whose output is not. */
export interface Divergence {
  /** In the order of the graph. Several, when the other model has no counterpart of what is between them; the last gives `tensor`. */
  readonly nodes: readonly { readonly name: string; readonly operator: string }[];
  readonly tensor: string;
  /** Of the worst of what they compute from; null when that is nothing but inputs of the model and constants. */
  readonly before: TensorError | null;
  readonly after: TensorError;
  /** Tensors that both models have, among which it was looked for. */
  readonly tensors: number;
}

/** What one pass of a recipe changed in the outputs, on a few rows. */
export interface StepReport {
  readonly pass: PassSpec['pass'];
  /** Against the model before the pass; null when they could not be compared. */
  readonly parity: Parity | null;
  /** Looked for where the outputs differ much. */
  readonly divergence: Divergence | null;
  /** Why there is no parity, or no divergence; null when there is nothing to say. */
  readonly note: string | null;
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
  readonly gate: NumericGate;
  /** What a bound on a metric is about; null for other bounds. */
  readonly of: GateSubject | null;
  readonly bound: number;
  /** null: the figure could not be measured, which fails the gate. */
  readonly actual: number | null;
  readonly passed: boolean;
}

export interface GateSubject {
  readonly metric: string;
  readonly unit: MetricUnit;
  readonly better: 'higher' | 'lower';
  readonly slice: { readonly by: Slicing; readonly name: string; readonly rows: number } | null;
  readonly evidence: Evidence;
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
  /** The primary metric first; empty when nothing was measured on labels or against the source. */
  readonly metrics: readonly MetricValue[];
  readonly latency: Latency | null;
  readonly peakRssBytes: number | null;
  readonly parity: Parity | null;
  /** Parity after every pass, in the order of the passes; empty for a candidate that could not be made or run. */
  readonly steps: readonly StepReport[];
  readonly sparsity: readonly LayerSparsity[];
  readonly gates: readonly GateResult[];
  /** How a partial pass of the recipe became this one; null for recipes without. */
  readonly sensitivity: SensitivityReport | null;
  /** Notes of the passes: what they did, what they left alone and why. */
  readonly notes: readonly string[];
}

/** What a pass does to one layer. NMSE is the noise of the worst output relative to its signal, 0–∞. */
export interface LayerSensitivity {
  readonly name: string;
  readonly operator: string;
  /** Of the model in which only this layer was changed. */
  readonly nmseAlone: number;
  /** Of the model in which every layer but this one was changed. */
  readonly nmseWithout: number;
  /** Loss of the metric with only this layer changed; null without labels. */
  readonly metricDrop: number | null;
  /** The recipe leaves it as it was. */
  readonly leftOut: boolean;
}

/** How a partial pass found the layers it leaves out, the most sensitive first. */
export interface SensitivityReport {
  readonly pass: PassSpec['pass'];
  /** Rows that NMSE comes from. */
  readonly rows: number;
  readonly layers: readonly LayerSensitivity[];
  /** What was tried, in order: how many layers were left out, and what came of it. */
  readonly steps: readonly {
    readonly leftOut: number;
    readonly metric: number | null;
    readonly sqnrDb: number | null;
    readonly holds: boolean;
  }[];
}

/** Where a trial ended: at the passes, at the size gates, after some of the rows, after all of them, or measured whole. */
export type TrialEnd = 'passes' | 'size' | 'rows' | 'evaluation' | 'latency' | 'done';

export interface Trial {
  /** 1, 2, 3, … in the order in which they were tried. */
  readonly number: number;
  /** Recipe and number; the name of the candidate, when it became one. */
  readonly name: string;
  readonly passes: readonly PassSpec[];
  readonly end: TrialEnd;
  /** `finalist` was measured again beside the others; `held` passed the gates and was outdone; `same` gave the model of another trial. */
  readonly outcome: 'finalist' | 'held' | 'rejected' | 'same' | 'error';
  /** Why it went no further, for people. */
  readonly reason: string | null;
  readonly bytes: number | null;
  readonly compressedBytes: number | null;
  /** The metric on all evaluation rows. */
  readonly metric: number | null;
  /** Time per call relative to the source. */
  readonly timeRatio: number | null;
  readonly peakRssBytes: number | null;
  readonly durationMs: number;
  /** Taken over from an earlier build. */
  readonly cached: boolean;
  /** Better than every trial before it, by gates and objective. */
  readonly best: boolean;
}

/** The path a search took. */
export interface SearchReport {
  readonly sampler: Sampler;
  /** Combinations in the space; null when a number in it has no step. */
  readonly points: number | null;
  /** Why it ended: nothing left to try, or one of the budgets. */
  readonly ended: 'exhausted' | 'trials' | 'minutes';
  readonly trials: readonly Trial[];
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
  /** Names of the metrics, the primary one first; empty without any. */
  readonly metrics: readonly string[];
  readonly objective: Objective;
  readonly gates: Gates;
  /** Which candidate each objective would choose; null when none passed, or what it looks at was not measured. */
  readonly choices: Readonly<Record<Objective, string | null>>;
  readonly winner: string | null;
  readonly release: { readonly digest: Digest; readonly version: number } | null;
  readonly candidates: readonly CandidateReport[];
  /** null when no recipe had choices in it. */
  readonly search: SearchReport | null;
  readonly lineage: Lineage | null;
  readonly rows: { readonly calibration: number; readonly evaluation: number };
  /** What is odd about the evaluation rows, a sentence each; reports of before may lack it. */
  readonly oddities?: readonly string[] | undefined;
}
