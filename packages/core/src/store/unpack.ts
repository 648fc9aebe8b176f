/**
 * The files of a release, out of its layers. Every byte is checked twice on the way: the blob against its digest in
 * the OCI manifest, each file against its digest in the model manifest, and the set of files must be exactly the
 * listed one. What consumes the files decides where they go; `verify` consumes them into nothing.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { Digest } from '../digest.ts';
import { fail, fromSystemError } from '../errors.ts';
import { type Manifest, MANIFEST_FILE } from '../manifest.ts';
import { JsonProblem } from '../json-file.ts';
import { LIMITS } from '../limits.ts';
import { parseManifest } from '../model-directory.ts';
import { ANNOTATION, type Descriptor, LAYER_ROOT, MEDIA, type OciManifest } from './layout.ts';
import { blobPath, type Place } from './place.ts';
import { readTar, type TarEntry, type TarSource } from './tar-read.ts';

/** Takes one file: called with its path inside the model and its content, which it must consume. */
export type Sink = (path: string, content: AsyncIterable<Buffer>) => Promise<void>;

/** @throws STORE_CORRUPT, DIGEST_MISMATCH */
export async function unpack(place: Place, oci: OciManifest, manifest: Manifest, sink: Sink): Promise<void> {
  const expected = new Map(manifest.files.map((file) => [file.path, file.digest]));
  expected.set(MANIFEST_FILE, manifestDigest(place, oci));
  for (const layer of layersOf(place, oci)) {
    const file = blobPath(place, layer.digest);
    await withBlob(place, layer, async (handle) => {
      const hash = createHash('sha256');
      const source = new BlobSource(file, handle, layer.size, (bytes) => hash.update(bytes));
      for await (const entry of readTar(source)) {
        const name = fileName(file, entry);
        if (name === null) continue;
        const digest = expected.get(name);
        if (digest === undefined) {
          throw fail('STORE_CORRUPT', { path: file, problem: `"${name}" is not a file of the model` });
        }
        expected.delete(name);
        await sink(name, checked(entry, digest, `${file}: ${name}`));
      }
      const actual = `sha256:${hash.digest('hex')}`;
      if (actual !== layer.digest) throw fail('DIGEST_MISMATCH', { path: file, actual, expected: layer.digest });
    });
  }
  for (const missing of expected.keys()) {
    throw fail('STORE_CORRUPT', { path: place.root, problem: `no layer of the release has its file "${missing}"` });
  }
}

/** slipway.json, found by skipping over the other members of its layer. */
export async function readModelManifest(place: Place, oci: OciManifest): Promise<Manifest> {
  for (const layer of layersOf(place, oci).toReversed()) {
    const file = blobPath(place, layer.digest);
    const found = await withBlob(place, layer, async (handle) => {
      for await (const entry of readTar(new BlobSource(file, handle, layer.size, null))) {
        if (fileName(file, entry) !== MANIFEST_FILE) continue;
        if (entry.size > LIMITS.maxManifestBytes) {
          throw fail('STORE_CORRUPT', { path: file, problem: `${MANIFEST_FILE} has ${entry.size} bytes` });
        }
        const pieces: Buffer[] = [];
        for await (const piece of checked(entry, manifestDigest(place, oci), file)) pieces.push(Buffer.from(piece));
        return Buffer.concat(pieces);
      }
      return null;
    });
    if (found === null) continue;
    try {
      return await parseManifest(found);
    } catch (error) {
      if (!(error instanceof JsonProblem)) throw error;
      throw fail('STORE_CORRUPT', { path: file, problem: `${MANIFEST_FILE}: ${error.message}` });
    }
  }
  throw fail('STORE_CORRUPT', { path: place.root, problem: `no layer of the release has its file "${MANIFEST_FILE}"` });
}

function layersOf(place: Place, oci: OciManifest): Descriptor[] {
  const unknown = oci.layers.find(
    (layer) => layer.mediaType !== MEDIA.weights && layer.mediaType !== MEDIA.weightsConfig,
  );
  if (unknown === undefined) return oci.layers;
  const problem = `the layer type ${unknown.mediaType} is not one of a release`;
  throw fail('STORE_CORRUPT', { path: blobPath(place, unknown.digest), problem });
}

function manifestDigest(place: Place, oci: OciManifest): Digest {
  const digest = oci.annotations?.[ANNOTATION.modelManifest];
  if (digest === undefined) {
    throw fail('STORE_CORRUPT', { path: place.root, problem: 'the release does not name its slipway.json' });
  }
  return digest as Digest;
}

/** null for a folder. */
function fileName(blob: string, entry: TarEntry): string | null {
  if (entry.path !== LAYER_ROOT && !entry.path.startsWith(`${LAYER_ROOT}/`)) {
    throw fail('STORE_CORRUPT', { path: blob, problem: `"${entry.path}" is outside the folder ${LAYER_ROOT}` });
  }
  return entry.type === 'folder' ? null : entry.path.slice(LAYER_ROOT.length + 1);
}

async function* checked(entry: TarEntry, expected: Digest, where: string): AsyncGenerator<Buffer, void> {
  const hash = createHash('sha256');
  for await (const piece of entry.chunks()) {
    hash.update(piece);
    yield piece;
  }
  const actual = `sha256:${hash.digest('hex')}`;
  if (actual !== expected) throw fail('DIGEST_MISMATCH', { path: where, actual, expected });
}

async function withBlob<T>(place: Place, layer: Descriptor, use: (handle: FileHandle) => Promise<T>): Promise<T> {
  const file = blobPath(place, layer.digest);
  let handle: FileHandle;
  try {
    handle = await open(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw fail('STORE_CORRUPT', { path: file, problem: 'the blob is missing' });
    }
    throw fromSystemError(error, file, 'reading');
  }
  try {
    const { size } = await handle.stat();
    if (size !== layer.size) {
      throw fail('STORE_CORRUPT', { path: file, problem: `has ${size} bytes, expected ${layer.size}` });
    }
    return await use(handle);
  } finally {
    await handle.close();
  }
}

/** A blob as a tar source. With an observer, skipping reads too, because the observer must see every byte. */
class BlobSource implements TarSource {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #size: number;
  readonly #observe: ((bytes: Buffer) => void) | null;
  #position = 0;
  #buffer = Buffer.alloc(0);

  constructor(path: string, handle: FileHandle, size: number, observe: ((bytes: Buffer) => void) | null) {
    this.path = path;
    this.#handle = handle;
    this.#size = size;
    this.#observe = observe;
  }

  remaining(): number {
    return this.#size - this.#position;
  }

  async read(length: number): Promise<Buffer> {
    if (this.#buffer.length < length) this.#buffer = Buffer.alloc(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await this.#handle.read(this.#buffer, filled, length - filled, this.#position + filled);
      if (bytesRead === 0) {
        throw fail('STORE_CORRUPT', { path: this.path, problem: 'became shorter while it was read' });
      }
      filled += bytesRead;
    }
    this.#position += length;
    const bytes = this.#buffer.subarray(0, length);
    this.#observe?.(bytes);
    return bytes;
  }

  async skip(length: number): Promise<void> {
    if (this.#observe === null) this.#position += length;
    else for (let left = length; left > 0; left -= Math.min(left, 1 << 20)) await this.read(Math.min(left, 1 << 20));
  }
}
