/**
 * The store: releases on disk as an OCI image layout, so that a registry is the same thing, remote.
 * This file is what the rooms see of it; `store/` holds how it is done.
 */
import type { Digest } from './digest.ts';
import type { Manifest } from './manifest.ts';
import type { Report } from './report.ts';

/** An immutable model version. */
export interface Release {
  /** Digest of the OCI manifest. */
  readonly digest: Digest;
  readonly name: string;
  /** 1, 2, 3 … per name, in order of creation. */
  readonly version: number;
  readonly aliases: readonly string[];
  /** ISO 8601, UTC. Not part of the digest. */
  readonly createdAt: string;
  readonly manifest: Manifest;
  /** Sum of the sizes of its files, bytes. */
  readonly bytes: number;
}

/** What a reference can look like: NAME, NAME:VERSION, NAME@ALIAS, sha256:DIGEST. */
export type Reference =
  | { readonly kind: 'latest'; readonly name: string }
  | { readonly kind: 'version'; readonly name: string; readonly version: number }
  | { readonly kind: 'alias'; readonly name: string; readonly alias: string }
  | { readonly kind: 'digest'; readonly digest: Digest };

/** Reading and writing releases. Maintenance (aliases, removal, garbage collection) is `StoreMaintenance`. */
export interface Store {
  readonly directory: string;
  /**
   * Make a release of a model directory (its `slipway.json` lists the files). The same content gives the release that
   * is there already. The report travels with it but is not part of its digest.
   */
  add(modelDirectory: string, report: Report | null): Promise<Release>;
  /** All releases, by name and then version. */
  list(): Promise<readonly Release[]>;
  /** @throws RELEASE_NOT_FOUND, REFERENCE_INVALID */
  resolve(reference: string): Promise<Release>;
  /** A directory with the files of the release, verified against its digests. Read-only by convention; shared. */
  checkout(release: Release): Promise<string>;
}

/** What a garbage collection removed, or would remove. */
export interface Garbage {
  readonly removedBlobs: readonly Digest[];
  /** Of the blobs, of abandoned temporary files and of the checkouts of removed releases. */
  readonly bytes: number;
}

/** Changing what is there already. */
export interface StoreMaintenance {
  /**
   * Point `alias` at the release; another release of that name loses it. With null, `reference` is NAME@ALIAS and that
   * alias is taken off. Resolves to the release as it is afterwards.
   * @throws RELEASE_NOT_FOUND, REFERENCE_INVALID, ALIAS_INVALID, STORE_LOCKED
   */
  setAlias(reference: string, alias: string | null): Promise<Release>;
  /**
   * Forget a release, also a damaged one. Its version number is not given again; its blobs stay until the next garbage
   * collection.
   * @throws RELEASE_ALIASED, RELEASE_NOT_FOUND, REFERENCE_INVALID, STORE_LOCKED
   */
  remove(reference: string): Promise<void>;
  /**
   * Remove what `index.json` does not reach. Temporary files younger than `temporaryAgeMs` (a day) may belong to a
   * command that is running, and stay. With `dryRun` nothing changes, and no lock is taken.
   */
  collectGarbage(options?: { readonly dryRun?: boolean; readonly temporaryAgeMs?: number }): Promise<Garbage>;
  /**
   * Recompute every digest of the release: manifest, config, layers, each file, report.
   * @throws DIGEST_MISMATCH, STORE_CORRUPT, RELEASE_NOT_FOUND
   */
  verify(release: Release): Promise<void>;
}

/** The report that travels with a release, and is not part of its digest. */
export interface ReportReader {
  /** null when the release was added without one, or by a version of Slipway that wrote another form. @throws RELEASE_NOT_FOUND, STORE_CORRUPT, DIGEST_MISMATCH */
  readReport(release: Release): Promise<Report | null>;
}
