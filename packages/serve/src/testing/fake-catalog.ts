/** A catalog whose sources and loads are in the hands of a test: versions that take their time, fail, and occupy memory. */
import { createLogger, fail, type SlipwayError } from '@slipway/core';
import { Catalog, type CatalogOptions, type LoadRequest } from '../catalog/catalog.ts';
import { MemoryLedger } from '../catalog/memory.ts';
import type { Candidate, ListedModel, Source } from '../catalog/source.ts';
import type { LoadedVersion } from '../catalog/version.ts';
import { Wishes } from '../catalog/wishes.ts';
import { VirtualClock } from './virtual-clock.ts';

export const MIB = 1024 * 1024;

/** A load that has begun and not ended. */
interface PendingLoad {
  readonly model: string;
  readonly version: number;
  readonly succeed: () => void;
  readonly fail: (error?: SlipwayError) => void;
}

interface FakeVersion {
  readonly model: string;
  readonly version: number;
  /** Requests under way. */
  pending: number;
  closed: boolean;
  /** All its runners are gone for good. */
  readonly crash: () => void;
}

export interface FakeCatalog {
  readonly catalog: Catalog;
  readonly clock: VirtualClock;
  readonly wishes: Wishes;
  /** What the only source shows. */
  readonly shown: Map<string, ListedModel>;
  readonly loads: PendingLoad[];
  /** Every version that was loaded and not closed. */
  readonly open: Set<FakeVersion>;
  /** Lets what is due happen, and what follows from it. */
  readonly settle: () => Promise<void>;
}

export interface FakeOptions extends Partial<CatalogOptions> {
  /** Loads end by themselves, successfully. */
  readonly instant?: boolean;
  readonly budgetMib?: number;
  /** Memory of a loaded version. */
  readonly sizeMib?: number;
}

export function candidate(model: string, version: number, more: Partial<Candidate> = {}): Candidate {
  return {
    model,
    version,
    fingerprint: `${model}:${version}`,
    complete: true,
    labels: [],
    digest: null,
    pinned: false,
    bytes: 0,
    locate: () => Promise.reject(new Error('a fake has no files')),
    ...more,
  };
}

export function listed(model: string, versions: readonly number[], more: Partial<ListedModel> = {}): ListedModel {
  return { candidates: versions.map((version) => candidate(model, version)), ...more };
}

export function fakeCatalog({
  instant = false,
  budgetMib = 1e6,
  sizeMib = 100,
  ...options
}: FakeOptions = {}): FakeCatalog {
  const clock = new VirtualClock();
  const wishes = options.wishes ?? new Wishes(options.mode ?? 'poll', []);
  const shown = new Map<string, ListedModel>();
  const loads: PendingLoad[] = [];
  const open = new Set<FakeVersion>();
  const source: Source = {
    description: 'the test',
    scan: () => Promise.resolve({ models: new Map(shown), warnings: [] }),
  };
  const load = ({ candidate: { model, version, digest }, onFailed }: LoadRequest): Promise<LoadedVersion> =>
    new Promise((resolve, reject) => {
      const fake: FakeVersion & Record<string, unknown> = {
        model,
        version,
        digest,
        pending: 0,
        closed: false,
        loadSeconds: 0,
        get scheduler() {
          return { pending: fake.pending };
        },
        crash: () => onFailed(fail('RUNNER_START_FAILED', { model, problem: 'it ended' })),
        peakBytes: () => Promise.resolve(sizeMib * MIB),
        memoryBytes: () => Promise.resolve(sizeMib * MIB),
        close: () => {
          fake.closed = true;
          open.delete(fake);
          return Promise.resolve();
        },
      };
      const end = (then: () => void): void => {
        const at = loads.indexOf(pending);
        if (at !== -1) loads.splice(at, 1);
        then();
      };
      const pending: PendingLoad = {
        model,
        version,
        succeed: () =>
          end(() => {
            open.add(fake);
            resolve(fake as unknown as LoadedVersion);
          }),
        fail: (error = fail('MODEL_FORMAT', { path: model, problem: 'the test says so' })) => end(() => reject(error)),
      };
      loads.push(pending);
      if (instant) pending.succeed();
    });
  const catalog = new Catalog({
    sources: [source],
    load,
    mode: 'poll',
    wishes,
    settings: {},
    memory: new MemoryLedger({
      budgetBytes: budgetMib * MIB,
      used: () => Promise.resolve(open.size * sizeMib * MIB),
      available: () => Infinity,
    }),
    swap: 'availability',
    pollIntervalMs: 1000,
    drainTimeoutMs: 1000,
    clock,
    logger: createLogger('silent'),
    ...options,
  });
  const settle = async (): Promise<void> => {
    // Chains of promises of a few dozen links; nothing here waits for anything else.
    for (let turn = 0; turn < 60; turn++) await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { catalog, clock, wishes, shown, loads, open, settle };
}
