/**
 * The manifest (`slipway.json`) that makes a directory a model: what it is called, which files it has, what goes in
 * and out, how it proves itself (golden samples), how it wants to be served, and where it came from.
 *
 * It is the only thing the rooms exchange. It holds no timestamp and no host name, so that two builds of the
 * same input have the same digest; those are in the report.
 */
import type { Digest } from './digest.ts';
import type { Signature } from './signature.ts';
import type { Transforms } from './transforms.ts';

export const MANIFEST_FILE = 'slipway.json';
export const MANIFEST_SCHEMA = 'slipway.model/v1';

/** Names that are safe in a path, a URL, an OCI repository and a metric label. `..`, `/` and empty never match. */
const NAME_PATTERN: RegExp = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const MAX_NAME_LENGTH = 128;

export function isModelName(value: string): boolean {
  return value.length <= MAX_NAME_LENGTH && NAME_PATTERN.test(value);
}

export const FILE_ROLES = ['model', 'external-data', 'golden', 'transform', 'report', 'other'] as const;

export interface ManifestFile {
  /** Relative, forward slashes, no `.` or `..` segment. */
  readonly path: string;
  readonly role: (typeof FILE_ROLES)[number];
  readonly digest: Digest;
  readonly size: number;
}

/**
 * Input/output pairs the model reproduced when it was built. The file is a `.npz` whose arrays are named
 * `input/NAME` and `output/NAME`, all with `count` rows along axis 0 when the model is batchable and the samples have one
 * shape, otherwise `input/NAME/INDEX` with the row axis of one call. A value `actual` matches `expected` when |actual − expected| ≤ absolute + relative·|expected|.
 */
export interface Golden {
  readonly file: string;
  readonly count: number;
  readonly tolerance: { readonly absolute: number; readonly relative: number };
}

/** What the model asks of whoever serves it; the server's own options win. */
export interface ServingHints {
  readonly maxBatchSize?: number | undefined;
  readonly latencyBudgetMs?: number | undefined;
  readonly maxQueueRows?: number | undefined;
  readonly threads?: number | undefined;
}

/** Where a model runs that was written for one engine and one kind of processor. */
export interface HostRequirement {
  /** Name and exact version, as in `onnxruntime 1.30.0`: operators that are no part of a standard can change with any. */
  readonly engine: string;
  /** Every instruction set that decides kernels, sorted; null when the processor does not matter. */
  readonly cpuFlags: readonly string[] | null;
}

/** One step of how the model came to be. */
export interface LineageStep {
  readonly pass: string;
  readonly version: number;
  readonly options: Readonly<Record<string, unknown>>;
  /** Digest of the model after the step. */
  readonly result: Digest;
}

export interface Lineage {
  readonly source: { readonly file: string; readonly digest: Digest };
  readonly data: { readonly calibration?: Digest | undefined; readonly evaluation?: Digest | undefined };
  /** Of the passes and their options, in order, as the config names them; releases of before may lack it. */
  readonly recipe?: Digest | undefined;
  readonly steps: readonly LineageStep[];
  /** Tool name → version: slipway, onnxruntime. */
  readonly tools: Readonly<Record<string, string>>;
  /**
   * Instruction sets of the processor that decide which kernels the engine takes, sorted: ranges, golden samples and what the
   * engine optimized come from those kernels. Releases of before may lack it.
   */
  readonly cpuFlags?: readonly string[] | undefined;
}

export interface Manifest {
  readonly schema: typeof MANIFEST_SCHEMA;
  readonly name: string;
  readonly engine: 'onnxruntime';
  /** The file the engine loads. */
  readonly entry: string;
  readonly files: readonly ManifestFile[];
  readonly signature: Signature;
  readonly golden?: Golden | undefined;
  readonly labels?: readonly string[] | undefined;
  readonly transforms?: Transforms | undefined;
  readonly serving?: ServingHints | undefined;
  /** Absent: it runs wherever the engine does. */
  readonly requires?: HostRequirement | undefined;
  readonly lineage: Lineage;
}

/** True for `a/b.onnx`; false for absolute paths, backslashes, NUL, drive letters, empty, `.` and `..` segments. */
export function isSafeRelativePath(path: string): boolean {
  if (path === '' || /[\\\0:]/.test(path)) return false;
  return path.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..');
}
