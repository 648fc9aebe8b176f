/**
 * The catalog against a reference: whatever comes, in whatever order (versions appear and vanish, load, fail, crash, are asked
 * for and dropped, labels move, time passes), what must hold holds after every step, and what should be served is, once
 * everything has had its time.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LATEST } from '../protocols/gateway.ts';
import { candidate, type FakeCatalog, fakeCatalog } from '../testing/fake-catalog.ts';
import type { VersionPolicy } from './settings.ts';

const NAME = 'm';

/** What is believed to be true of the one model. */
interface Reference {
  /** Version → whether loading it will succeed. */
  readonly versions: Map<number, boolean>;
  policy: VersionPolicy;
  label: number | null;
  /** It answered once, and was not asked to go. */
  served: boolean;
}

type Step = fc.AsyncCommand<Reference, FakeCatalog>;

async function apply(model: Reference, real: FakeCatalog): Promise<void> {
  const candidates = [...model.versions].map(([version, good]) =>
    candidate(NAME, version, { fingerprint: `${version} ${good}` }),
  );
  const labels: Record<string, number> = model.label === null ? {} : { stable: model.label };
  real.shown.set(NAME, { candidates, settings: { versionPolicy: model.policy, labels } });
  await real.catalog.refresh();
  await real.settle();
  check(model, real);
}

/** What holds at any moment. */
function check(model: Reference, { catalog, open }: FakeCatalog): void {
  const of = catalog.models.get(NAME);
  const ready = [...(of?.ready.values() ?? [])];
  for (const loaded of ready) {
    // What answers has runners, and nothing is ready that could not be loaded.
    expect(open.has(loaded as never)).toBe(true);
    expect(loaded.version).toBeGreaterThan(0);
  }
  // The last version never goes by itself.
  if (model.served) expect(ready.length).toBeGreaterThan(0);
  if (ready.length > 0) model.served = true;
  if (ready.length > 0) {
    expect(catalog.find(NAME, LATEST).version).toBe(Math.max(...ready.map(({ version }) => version)));
  }
  // A label points at what answers, whenever anything it ever pointed at does.
  const stable = of?.labels.get('stable');
  if (stable !== undefined && !of?.ready.has(stable)) expect(of?.wantedLabels.get('stable')).toBe(stable);
}

const finish = (model: Reference, { loads }: FakeCatalog, all: boolean): void => {
  for (const load of all ? [...loads] : loads.slice(0, 1)) {
    if (model.versions.get(load.version) === true) load.succeed();
    else load.fail();
  }
};

const step = (name: string, run: (model: Reference, real: FakeCatalog) => Promise<void>): Step => ({
  check: () => true,
  run,
  toString: () => name,
});

const version = fc.integer({ min: 1, max: 5 });
const steps: fc.Arbitrary<Step>[] = [
  fc.tuple(version, fc.boolean()).map(([of, good]) =>
    step(`show ${of} ${good ? 'good' : 'bad'}`, async (model, real) => {
      model.versions.set(of, good);
      await apply(model, real);
    }),
  ),
  version.map((of) =>
    step(`hide ${of}`, async (model, real) => {
      model.versions.delete(of);
      await apply(model, real);
    }),
  ),
  fc.boolean().map((all) =>
    step(`finish ${all ? 'all' : 'one'}`, async (model, real) => {
      finish(model, real, all);
      await real.settle();
      check(model, real);
    }),
  ),
  fc.constant(
    step('crash', async (model, real) => {
      const [first] = real.open;
      // What dies is not dropped: then nothing may be served for a while.
      model.served = false;
      first?.crash();
      await real.settle();
      check(model, real);
    }),
  ),
  fc
    .oneof(
      fc.integer({ min: 1, max: 3 }).map((latest): VersionPolicy => ({ latest })),
      fc.constant<VersionPolicy>({ all: true }),
      fc.uniqueArray(version, { minLength: 1 }).map((specific): VersionPolicy => ({ specific })),
    )
    .map((policy) =>
      step(`policy ${JSON.stringify(policy)}`, async (model, real) => {
        model.policy = policy;
        await apply(model, real);
      }),
    ),
  fc.option(version).map((of) =>
    step(`label ${of ?? 'none'}`, async (model, real) => {
      model.label = of;
      await apply(model, real);
    }),
  ),
  fc.constant(
    step('wait', async (model, real) => {
      await real.clock.advance(61_000);
      await real.settle();
      check(model, real);
    }),
  ),
];

/**
 * Which versions are served in the end, by the reference.
 * @param ready of which one whose files became bad is as good as any: what was loaded of it serves on
 */
function expected({ versions, policy, label }: Reference, ready: readonly number[]): number[] {
  const isGood = (of: number): boolean => versions.get(of) === true || (versions.has(of) && ready.includes(of));
  const good = [...versions.keys()].filter(isGood);
  const wanted = new Set(
    'latest' in policy
      ? good.sort((a, b) => b - a).slice(0, policy.latest)
      : good.filter((of) => 'all' in policy || policy.specific.includes(of)),
  );
  if (label !== null && isGood(label)) wanted.add(label);
  return [...wanted].sort((a, b) => a - b);
}

it('keeps its promises through any sequence of events, and ends where it should', async () => {
  await fc.assert(
    fc.asyncProperty(fc.commands(steps, { maxCommands: 40 }), async (commands) => {
      const model: Reference = { versions: new Map(), policy: { latest: 1 }, label: null, served: false };
      const real = fakeCatalog();
      await real.catalog.refresh();
      await fc.asyncModelRun(() => ({ model, real }), commands);
      // Long enough for every version that failed once to be tried again.
      await apply(model, real);
      for (let round = 0; round < 8; round++) {
        finish(model, real, true);
        await real.settle();
        await real.clock.advance(61_000);
        real.catalog.reconcile();
        await real.settle();
      }
      const ready = [...(real.catalog.models.get(NAME)?.ready.keys() ?? [])].sort((a, b) => a - b);
      const wanted = expected(model, ready);
      const missing = wanted.filter((of) => !ready.includes(of));
      expect(missing).toEqual([]);
      // More than what is wanted is served only where a policy leaves nothing that could take its place.
      const inPolicy = expected({ ...model, label: null }, ready);
      // And a label points where it did, as long as where it should point is not there.
      const labelled = new Set(real.catalog.models.get(NAME)?.labels.values());
      if (inPolicy.length > 0) expect(ready.filter((of) => wanted.includes(of) || !labelled.has(of))).toEqual(wanted);
      // Nothing that was loaded is forgotten: what is not served has been closed.
      expect([...real.open].map((of) => of.version).sort((a, b) => a - b)).toEqual(ready);
    }),
    { numRuns: 500 },
  );
}, 60_000);
