/** What a build tells while it runs, takes from outside, and gives in the end. */
import type { Clock, Logger, Release, Report, SlipwayError } from '@slipway/core';

export const BUILD_STAGES = ['import', 'data', 'search', 'passes', 'evaluate', 'measure', 'release'] as const;
export type BuildStage = (typeof BUILD_STAGES)[number];

export interface BuildProgress {
  readonly stage: BuildStage;
  /** The candidate at work; null when it is all of them. */
  readonly candidate: string | null;
  /** One line for people: `quantize.static`, `row 2,000 of 9,000`, `round 3 of 15`. */
  readonly detail: string;
  /** How much of the stage is done, 0–1. */
  readonly fraction: number;
}

export interface BuildHooks {
  readonly progress?: (event: BuildProgress) => void;
  /** Aborting it ends the build: runners are stopped, temporary files removed, and the build rejects with its reason. */
  readonly signal?: AbortSignal;
  readonly log?: Logger;
  readonly clock?: Clock;
  /** Memory to plan with, bytes. Default: that of the machine, or what its cgroup allows. */
  readonly memoryBytes?: number;
}

export interface BuildResult {
  readonly report: Report;
  /** null when no candidate passed the gates, or no recipe could be made. */
  readonly release: Release | null;
  /**
   * GATE_FAILED when no candidate passed, naming the gates that came closest. Not thrown, because the report is
   * wanted then more than ever; whoever runs the build throws it after showing that.
   */
  readonly failure: SlipwayError | null;
  /** The report on disk. */
  readonly files: { readonly json: string; readonly html: string };
}
