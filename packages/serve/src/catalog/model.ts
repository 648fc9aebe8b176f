/**
 * A model and its versions. The state of a version is which of the maps it is in, and `move` is the only thing that
 * changes that: loading → ready → draining → gone, or from anywhere to failed and from there to loading again.
 */
import { fail, type SlipwayError, type VersionState } from '@slipway/core';
import path from 'node:path';
import type { Selector, VersionStatus } from '../protocols/gateway.ts';
import type { Candidate } from './source.ts';
import type { LoadedVersion } from './version.ts';

export interface Failure {
  readonly fingerprint: string;
  readonly error: SlipwayError;
  readonly attempts: number;
  /** On the clock. */
  readonly retryAt: number;
}

/** Why a version is not served, for anybody who asks: without saying where on this machine its files are. */
export function reasonOf({ message, params }: SlipwayError): string {
  const places = Object.values(params).filter((value) => typeof value === 'string' && path.isAbsolute(value));
  return places.reduce<string>((text, place) => text.replaceAll(String(place), path.basename(String(place))), message);
}

export type Move =
  | { readonly to: 'loading'; readonly candidate: Candidate }
  | { readonly to: 'ready'; readonly loaded: LoadedVersion }
  | { readonly to: 'draining'; readonly loaded: LoadedVersion }
  | { readonly to: 'failed'; readonly failure: Failure }
  | { readonly to: 'gone' };

export class Model {
  readonly name: string;
  readonly #loading = new Map<number, Candidate>();
  readonly #ready = new Map<number, LoadedVersion>();
  readonly #draining = new Map<number, LoadedVersion>();
  readonly #failed = new Map<number, Failure>();
  readonly #onMove: (version: number, move: Move) => void;
  #latest: LoadedVersion | null = null;
  labels: ReadonlyMap<string, number> = new Map();

  constructor(name: string, onMove: (version: number, move: Move) => void) {
    this.name = name;
    this.#onMove = onMove;
  }

  move(version: number, move: Move): void {
    for (const map of [this.#loading, this.#ready, this.#draining, this.#failed]) map.delete(version);
    if (move.to === 'loading') this.#loading.set(version, move.candidate);
    else if (move.to === 'failed') this.#failed.set(version, move.failure);
    else if (move.to === 'ready') this.#ready.set(version, move.loaded);
    else if (move.to === 'draining') this.#draining.set(version, move.loaded);
    this.#latest = this.#ready.get(Math.max(...this.#ready.keys())) ?? null;
    this.#onMove(version, move);
  }

  state(version: number): VersionState {
    if (this.#ready.has(version)) return 'ready';
    if (this.#loading.has(version)) return 'loading';
    if (this.#draining.has(version)) return 'draining';
    return this.#failed.has(version) ? 'failed' : 'gone';
  }

  get ready(): ReadonlyMap<number, LoadedVersion> {
    return this.#ready;
  }
  get failed(): ReadonlyMap<number, Failure> {
    return this.#failed;
  }
  get loading(): ReadonlyMap<number, Candidate> {
    return this.#loading;
  }
  /** Versions that hold a runner. */
  *open(): Generator<LoadedVersion> {
    yield* this.#ready.values();
    yield* this.#draining.values();
  }

  /** @throws VERSION_NOT_FOUND, NOT_READY, MODEL_UNAVAILABLE */
  find(selector: Selector): LoadedVersion {
    if (selector.kind === 'latest') return this.#latest ?? this.#notReady(null);
    const version = this.#versionOf(selector);
    const loaded = this.#ready.get(version);
    if (loaded !== undefined) return loaded;
    if (this.#loading.has(version) || this.#failed.has(version)) return this.#notReady(version);
    throw fail('VERSION_NOT_FOUND', { model: this.name, version });
  }

  /** @throws VERSION_NOT_FOUND */
  status(selector: Selector): VersionStatus[] {
    const versions = new Set([
      ...this.#ready.keys(),
      ...this.#loading.keys(),
      ...this.#draining.keys(),
      ...this.#failed.keys(),
    ]);
    const all = [...versions]
      .sort((a, b) => b - a)
      .map((version) => ({
        version,
        state: this.state(version),
        reason: this.#reason(version),
      }));
    if (selector.kind === 'latest') return all;
    const wanted = this.#versionOf(selector);
    const found = all.filter(({ version }) => version === wanted);
    if (found.length === 0) throw fail('VERSION_NOT_FOUND', { model: this.name, version: wanted });
    return found;
  }

  #versionOf(selector: Exclude<Selector, { kind: 'latest' }>): number {
    if (selector.kind === 'version') return selector.version;
    const version = this.labels.get(selector.label);
    if (version !== undefined) return version;
    throw fail('VERSION_NOT_FOUND', { model: this.name, version: `"${selector.label}"` });
  }

  #notReady(version: number | null): never {
    const failure = version === null ? [...this.#failed.values()].at(-1) : this.#failed.get(version);
    const loading = version === null ? this.#loading.size > 0 : this.#loading.has(version);
    if (failure !== undefined && !loading) {
      throw fail('MODEL_UNAVAILABLE', { model: this.name, problem: reasonOf(failure.error) });
    }
    throw fail('NOT_READY', { model: this.name, state: loading ? 'loading' : 'not there yet' });
  }

  #reason(version: number): string | null {
    const failure = this.#failed.get(version);
    return failure === undefined ? null : reasonOf(failure.error);
  }
}
