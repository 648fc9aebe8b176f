/**
 * Where versions come from. A source only says what is there now; the catalog decides what to load and what to drop.
 */
import type { Digest, DType, Golden, Manifest, ServingHints, SlipwayError } from '@slipway/core';
import type { Declared } from '@slipway/transform';
import type { ModelSettings } from './settings.ts';

/** A version that could be loaded. */
export interface Candidate {
  readonly model: string;
  readonly version: number;
  /** Different content, different fingerprint. */
  readonly fingerprint: string;
  /** False while files still change: somebody is copying. */
  readonly complete: boolean;
  readonly labels: readonly string[];
  readonly digest: Digest | null;
  /** Whether it is wanted even when it is not the newest. */
  readonly pinned: boolean;
  /** Sum of the sizes of its files: from which its memory is guessed before it was ever loaded. */
  readonly bytes: number;
  locate(): Promise<Located>;
}

/** Where the files of a version are, and what its manifest says of how it is served. */
export interface Located {
  /** What a runner can load: a model directory or an `.onnx` file. */
  readonly path: string;
  readonly serving: ServingHints;
  /** Samples that the release carries; absent without any. */
  readonly golden?: Golden | undefined;
  /** The names of the classes, by index; absent when the model does not say. */
  readonly classes?: readonly string[] | undefined;
  /** What is done to requests and answers; `path` is then the directory of the files it names. */
  readonly declared?: Declared | undefined;
}

/** A model directory, by its manifest. */
export function locatedBy(manifest: Manifest, directory: string): Located {
  const { serving = {}, labels, golden } = manifest;
  return { path: directory, serving, classes: labels, golden, declared: manifest };
}

/** Inputs and outputs as somebody wrote them down: a dimension of -1 is free. */
export interface ExpectedSignature {
  /** For messages. */
  readonly file: string;
  readonly inputs: readonly ExpectedTensor[];
  readonly outputs: readonly ExpectedTensor[];
}

export interface ExpectedTensor {
  readonly name: string;
  /** null: any. */
  readonly dtype: DType | null;
  /** null: any. */
  readonly shape: readonly number[] | null;
}

export interface ListedModel {
  /** Empty when there are none (yet). */
  readonly candidates: readonly Candidate[];
  /** What the files of the model say about serving it. */
  readonly settings?: ModelSettings;
  /** What the files of the model say that its inputs and outputs are; a model that has others is not loaded. */
  readonly expects?: ExpectedSignature;
  /** Why nothing of it can be loaded, whatever the versions: its configuration is wrong. What is loaded stays. */
  readonly problem?: SlipwayError;
}

export interface Listing {
  readonly models: ReadonlyMap<string, ListedModel>;
  /** What was found and is not used, and why. */
  readonly warnings: readonly string[];
}

export interface Source {
  /** For messages. */
  readonly description: string;
  /** What it does not show any more is not wanted any more: its names are a list that somebody keeps. */
  readonly declares?: boolean;
  /** @throws what reading met; the catalog then keeps what it has */
  scan(): Promise<Listing>;
}
