import type { Clock } from '../clock.ts';
import type { Step } from '../durable.ts';
import type { LockOptions } from '../lock.ts';
import type { ReportReader, Store, StoreMaintenance } from '../store.ts';

export interface OpenStoreOptions {
  readonly lock?: LockOptions;
  readonly clock?: Pick<Clock, 'wall'>;
  /** Called between the reads and writes of the store; tests end the process or interfere there. */
  readonly step?: Step;
}

/**
 * Open the store at `directory`. One that is not there yet is an empty store, made by the first `add`.
 * @throws STORE_CORRUPT when the directory holds something else
 */
export async function openStore(
  directory: string,
  options: OpenStoreOptions = {},
): Promise<Store & StoreMaintenance & ReportReader> {
  // Only who opens a store pays for the schemas of what is in it: see `index.ts`.
  const { OciStore } = await import('./oci-store.ts');
  return OciStore.open(directory, options);
}
