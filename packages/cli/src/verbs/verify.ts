import { asSlipwayError, EXIT, fail, openStore, type Release } from '@slipway/core';
import type { Verification } from '@slipway/prepare';
import { defineVerb, optionalArgument, type Verb } from '../frame/declare.ts';
import { failureDocument } from '../frame/failure.ts';
import type { Style } from '../frame/style.ts';
import { bytes, milliseconds, plural } from '../frame/units.ts';
import { storeDirectory } from '../project.ts';
import * as shared from './shared.ts';

export const verify: Verb = defineVerb({
  name: 'verify',
  group: 'Prepare a model',
  summary: 'recompute digests and reproduce golden samples of releases',
  description:
    'Recomputes every digest of a release and runs its golden samples in a runner on this machine. Without an argument, every release in the store. The exit code is that of the first failure.',
  arguments: { release: optionalArgument('NAME, NAME:VERSION, NAME@ALIAS or sha256:DIGEST. Default: all.') },
  options: { store: shared.store, config: shared.config },
  examples: [
    { command: 'slipway verify digits', description: 'the newest release of digits' },
    { command: 'slipway verify', description: 'everything, for example after moving a store' },
  ],
  async run(context, given) {
    const { verifyRelease } = await import('@slipway/prepare');
    const store = await openStore(await storeDirectory(context, given));
    const releases = given.release === undefined ? await store.list() : [await store.resolve(given.release)];
    if (releases.length === 0) throw fail('STORE_EMPTY', { store: store.directory });
    const outcomes: Outcome[] = [];
    for (const release of releases) {
      context.signal.throwIfAborted();
      context.progress(`Verifying ${release.name}:${release.version}`);
      try {
        outcomes.push({ release, verification: await verifyRelease(store, release), error: null });
      } catch (error) {
        outcomes.push({ release, verification: null, error: asSlipwayError(error) });
      }
    }
    context.result({ releases: outcomes.map(describe) }, (style) =>
      outcomes.map((outcome) => render(outcome, style)).join('\n'),
    );
    return outcomes.find((outcome) => outcome.error !== null)?.error?.exitCode ?? EXIT.ok;
  },
});

interface Outcome {
  readonly release: Release;
  readonly verification: Verification | null;
  readonly error: ReturnType<typeof asSlipwayError> | null;
}

function describe({ release, verification, error }: Outcome): unknown {
  const { name, version, digest } = release;
  return {
    name,
    version,
    digest,
    ok: error === null,
    ...verification,
    ...(error === null ? {} : failureDocument(error)),
  };
}

function render({ release, verification, error }: Outcome, style: Style): string {
  const name = style.bold(`${release.name}:${release.version}`);
  if (verification === null) return `${style.red('✗')} ${name}  ${error?.code ?? ''}: ${error?.message ?? ''}`;
  const { golden, files, loadMs } = verification;
  const samples = golden === null ? 'no golden samples' : `${plural(golden.count, 'golden sample')} reproduced`;
  return `${style.green('✓')} ${name}  ${plural(files, 'file')}, ${bytes(verification.bytes)} intact; ${samples} in ${milliseconds(loadMs)}`;
}
