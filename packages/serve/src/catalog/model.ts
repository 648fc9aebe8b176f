/**
 * A model and its versions. The state of a version is which of the maps it is in, and `move` is the only thing that
 * changes that: loading → ready → draining → gone, or from anywhere to failed and from there to loading again.
 *
 * A version that is ready may be loading a second time, or have failed to, because its files or settings changed: it is
 * ready all the while, and what serves is replaced when the new one is ready.
 */
import { fail, type SlipwayError, type VersionState } from '@slipway/core';
import path from 'node:path';
import type { Selector, VersionStatus } from '../protocols/gateway.ts';
import { bindLabels } from './labels.ts';
import type { LoadedVersion } from './version.ts';

export interface Failure {
  /** Of what was tried: files and settings. */
  readonly identity: string;
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
  | { readonly to: 'loading' }
  | { readonly to: 'ready'; readonly loaded: LoadedVersion }
  | { readonly to: 'draining'; readonly loaded: LoadedVersion }
  /** `lost`: it was ready, and its runners are gone for good. */
  | { readonly to: 'failed'; readonly failure: Failure; readonly lost: boolean }
  /** `reason`: why, for as long as anybody may ask; null when it is nobody's business any more. */
  | { readonly to: 'gone'; readonly loaded: LoadedVersion | null; readonly reason: string | null };

export class Model {
  readonly name: string;
  /** Why the attempt before failed; null: this is the first. */
  readonly #loading = new Map<number, SlipwayError | null>();
  readonly #ready = new Map<number, LoadedVersion>();
  readonly #draining = new Set<LoadedVersion>();
  readonly #failed = new Map<number, Failure>();
  readonly #gone = new Map<number, string>();
  readonly #onMove: (version: number, move: Move) => void;
  #latest: LoadedVersion | null = null;
  #wantedLabels: ReadonlyMap<string, number> = new Map();
  #labels: ReadonlyMap<string, number> = new Map();
  /** Why its source cannot say what to serve; null when it can. */
  problem: SlipwayError | null = null;
  /** When somebody asked for it last, on the clock. */
  usedAt = 0;

  constructor(name: string, onMove: (version: number, move: Move) => void) {
    this.name = name;
    this.#onMove = onMove;
  }

  move(version: number, move: Move): void {
    if (move.to === 'draining') {
      if (this.#ready.get(version) === move.loaded) this.#ready.delete(version);
      this.#draining.add(move.loaded);
    } else if (move.to === 'gone') {
      // The same version may have been asked for again meanwhile; then it is not gone.
      if (move.loaded !== null) this.#draining.delete(move.loaded);
      else this.#forget(version);
      if (move.reason !== null && this.state(version) === 'gone') this.#gone.set(version, move.reason);
    } else {
      const before = this.#failed.get(version)?.error ?? null;
      this.#forget(version);
      if (move.to === 'loading') this.#loading.set(version, before);
      else if (move.to === 'ready') this.#ready.set(version, move.loaded);
      else {
        this.#failed.set(version, move.failure);
        if (move.lost) this.#ready.delete(version);
      }
    }
    this.#latest = this.#ready.get(Math.max(...this.#ready.keys())) ?? null;
    this.#bind();
    this.#onMove(version, move);
  }

  /** The failure does not matter any more: what is wanted is what is loaded. */
  forgive(version: number): void {
    this.#failed.delete(version);
  }

  #forget(version: number): void {
    this.#loading.delete(version);
    this.#failed.delete(version);
    this.#gone.delete(version);
  }

  state(version: number): VersionState {
    if (this.#ready.has(version)) return 'ready';
    if (this.#loading.has(version)) return 'loading';
    if (this.#failed.has(version)) return 'failed';
    return [...this.#draining].some((loaded) => loaded.version === version) ? 'draining' : 'gone';
  }

  get ready(): ReadonlyMap<number, LoadedVersion> {
    return this.#ready;
  }
  get failed(): ReadonlyMap<number, Failure> {
    return this.#failed;
  }
  get loading(): ReadonlyMap<number, SlipwayError | null> {
    return this.#loading;
  }
  /** Versions that hold a runner. */
  *open(): Generator<LoadedVersion> {
    yield* this.#ready.values();
    yield* this.#draining;
  }

  /** Where each label points. */
  get labels(): ReadonlyMap<string, number> {
    return this.#labels;
  }
  /** Where each label should point as soon as it can. */
  get wantedLabels(): ReadonlyMap<string, number> {
    return this.#wantedLabels;
  }
  set wantedLabels(labels: ReadonlyMap<string, number>) {
    this.#wantedLabels = labels;
    this.#bind();
  }

  #bind(): void {
    this.#labels = bindLabels(this.#wantedLabels, this.#labels, (version) => this.#ready.has(version));
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
      ...[...this.#draining].map(({ version }) => version),
      ...this.#failed.keys(),
      ...this.#gone.keys(),
    ]);
    const all = [...versions]
      .sort((a, b) => b - a)
      .map((version) => ({ version, state: this.state(version), reason: this.#reason(version) }));
    if (selector.kind === 'latest') return all;
    const wanted = this.#versionOf(selector);
    const found = all.filter(({ version }) => version === wanted);
    if (found.length === 0) throw fail('VERSION_NOT_FOUND', { model: this.name, version: wanted });
    return found;
  }

  #versionOf(selector: Exclude<Selector, { kind: 'latest' }>): number {
    if (selector.kind === 'version') return selector.version;
    const version = this.#labels.get(selector.label);
    if (version !== undefined) return version;
    throw fail('VERSION_NOT_FOUND', { model: this.name, version: `"${selector.label}"` });
  }

  #notReady(version: number | null): never {
    const failure = version === null ? [...this.#failed.values()].at(-1) : this.#failed.get(version);
    const under = version === null ? [...this.#loading.values()] : [this.#loading.get(version)];
    // One that failed and is tried again is no more promising than it was.
    const loading = under.includes(null);
    const error = failure?.error ?? under.find((before) => before !== undefined && before !== null) ?? this.problem;
    if (error?.code === 'MEMORY_EXCEEDED' && !loading) throw error;
    if (error !== null && !loading) {
      throw fail('MODEL_UNAVAILABLE', { model: this.name, problem: reasonOf(error) });
    }
    const state = loading
      ? 'loading'
      : ([...this.#gone.values()][0] ?? (this.#draining.size > 0 ? 'being unloaded' : 'not there yet'));
    throw fail('NOT_READY', { model: this.name, state });
  }

  #reason(version: number): string | null {
    const error =
      this.#failed.get(version)?.error ??
      this.#loading.get(version) ??
      (this.#ready.has(version) ? this.problem : null);
    if (error === null) return this.#gone.get(version) ?? null;
    const reason = reasonOf(error);
    return this.#ready.has(version) ? `the one loaded before serves on; the new one cannot be: ${reason}` : reason;
  }
}
