/**
 * A release as a directory. It is extracted beside its destination and renamed, so that a checkout which exists is
 * complete; two processes that do it at once produce the same, and the second uses what the first made. One that is
 * there already is verified before it is used, and made again when it was damaged.
 *
 * A store that cannot be written (a read-only mount) is checked out into a cache of the user.
 */
import { randomUUID } from 'node:crypto';
import { lstat, mkdir, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { canonicalJson, type Digest } from '../digest.ts';
import { ensureDirectory } from '../durable.ts';
import { fromSystemError, hasCode } from '../errors.ts';
import type { Manifest } from '../manifest.ts';
import { readModelDirectory } from '../model-directory.ts';
import type { OciManifest } from './layout.ts';
import { hexOf, type Place } from './place.ts';
import { unpack } from './unpack.ts';

export interface Loaded {
  readonly oci: OciManifest;
  readonly manifest: Manifest;
}

/** @throws STORE_CORRUPT, DIGEST_MISMATCH, DISK_FULL, READ_ONLY */
export async function checkout(place: Place, digest: Digest, loaded: Loaded): Promise<string> {
  try {
    return await checkoutInto(place.checkouts, place, digest, loaded);
  } catch (error) {
    if (!hasCode(error, 'READ_ONLY')) throw error;
    return checkoutInto(path.join(await cacheDirectory(), 'checkouts'), place, digest, loaded);
  }
}

async function checkoutInto(folder: string, place: Place, digest: Digest, loaded: Loaded): Promise<string> {
  const destination = path.join(folder, hexOf(digest));
  if (await isIntact(destination, loaded.manifest)) return destination;
  const temporaryFolder = path.join(path.dirname(folder), 'tmp');
  const temporary = path.join(temporaryFolder, randomUUID());
  try {
    await ensureDirectory(folder);
    await ensureDirectory(temporary);
    await unpack(place, loaded.oci, loaded.manifest, (name, content) =>
      writeMember(path.join(temporary, name), content),
    );
    await place.step('checkout.extracted');
    if (await moveInto(temporary, destination)) return destination;
    // Somebody was faster, or a damaged checkout is in the way.
    if (await isIntact(destination, loaded.manifest)) return destination;
    await rename(destination, path.join(temporaryFolder, randomUUID()));
    if ((await moveInto(temporary, destination)) || (await isIntact(destination, loaded.manifest))) return destination;
    throw new Error('another process keeps changing it');
  } catch (error) {
    throw fromSystemError(error, destination, 'checking out the release');
  } finally {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function writeMember(file: string, content: AsyncIterable<Buffer>): Promise<void> {
  await ensureDirectory(path.dirname(file));
  // Read-only, against accidents; the folder is new and ours, so that no link can be in the way.
  const handle = await open(file, 'wx', 0o444);
  try {
    for await (const piece of content) await handle.writeFile(piece);
  } finally {
    await handle.close();
  }
}

/** False when the destination exists. */
async function moveInto(temporary: string, destination: string): Promise<boolean> {
  try {
    await rename(temporary, destination);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'ENOTDIR') return false;
    throw error;
  }
}

async function isIntact(directory: string, manifest: Manifest): Promise<boolean> {
  try {
    const found = await readModelDirectory(directory, { verify: true });
    return canonicalJson(found.manifest) === canonicalJson(manifest);
  } catch {
    return false;
  }
}

/** Of this user alone: in a shared temporary folder somebody else could change files after they were verified. */
async function cacheDirectory(): Promise<string> {
  const chosen = process.env['XDG_CACHE_HOME'];
  if (chosen !== undefined && path.isAbsolute(chosen)) return path.join(chosen, 'slipway');
  const { uid } = userInfo();
  const shared = path.join(tmpdir(), `slipway-${uid}`);
  try {
    await mkdir(shared, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw fromSystemError(error, shared, 'creating a cache');
    const found = await lstat(shared);
    if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o077) !== 0) return mkdtemp(`${shared}-`);
  }
  return shared;
}
