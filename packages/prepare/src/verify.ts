/** Is a release still what was built, and does it compute here what it computed then? */
import { createLogger, type Logger, type Release, type Store, type StoreMaintenance } from '@slipway/core';
import { startRunner } from '@slipway/runtime';

export interface Verification {
  readonly files: number;
  readonly bytes: number;
  /** How many golden samples were reproduced, and within what; null for a release without any. */
  readonly golden: { readonly count: number; readonly absolute: number; readonly relative: number } | null;
  /** Milliseconds until a runner was ready to answer, golden samples included. */
  readonly loadMs: number;
}

/**
 * Recompute every digest, then start a runner, which refuses to become ready unless it reproduces the golden samples.
 * @throws DIGEST_MISMATCH, STORE_CORRUPT, GOLDEN_MISMATCH, RUNNER_START_FAILED
 */
export async function verifyRelease(
  store: Store & Pick<StoreMaintenance, 'verify'>,
  release: Release,
  logger: Logger = createLogger('silent'),
): Promise<Verification> {
  await store.verify(release);
  const { golden, files } = release.manifest;
  const model = `${release.name}:${release.version}`;
  const runner = await startRunner({ model, path: await store.checkout(release), session: {}, logger });
  try {
    const { loadMs } = runner;
    const reproduced = golden === undefined ? null : { count: golden.count, ...golden.tolerance };
    return { files: files.length, bytes: release.bytes, golden: reproduced, loadMs };
  } finally {
    await runner.stop();
  }
}
