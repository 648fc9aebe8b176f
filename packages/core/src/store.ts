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
