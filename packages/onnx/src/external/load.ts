/** Brings external elements into memory, one tensor at a time: the one place where reading a constant does I/O. */
import { rawBytes } from '../ir/elements.ts';
import { type Initializer, isExternal } from '../ir/initializer.ts';
import { type ExternalOptions, readExternal } from './files.ts';

/**
 * Raw bytes of a tensor wherever they are: a view when the model holds them.
 * @throws EXTERNAL_DATA, MODEL_INVALID
 */
export function readTensorBytes(
  initializer: Initializer,
  directory?: string | null,
  options: ExternalOptions = {},
): Uint8Array {
  if (!isExternal(initializer)) return rawBytes(initializer);
  return readExternal(initializer, directory ?? initializer.data.directory, options);
}

/** The initializer with its elements in memory; itself when they are already. */
export function loadInitializer(initializer: Initializer, options: ExternalOptions = {}): Initializer {
  if (!isExternal(initializer)) return initializer;
  const bytes = readExternal(initializer, initializer.data.directory, options);
  return Object.freeze({ ...initializer, data: Object.freeze({ kind: 'raw', bytes }) });
}
