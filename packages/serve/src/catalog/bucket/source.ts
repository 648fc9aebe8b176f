/**
 * Models below an S3-compatible prefix: one model (`PREFIX/3/model.onnx`) or a repository of them (`PREFIX/MODEL/3/model.onnx`).
 *
 * A store of objects has no moment in which a tree is complete. So a version is taken when its listing has been the same for
 * `settleMs`; every object is fetched as it was listed (If-Match), compared with its size and checksum, and the tree is renamed
 * into place when all of it is there. A manifest has digests, which are compared when the version is located.
 */
import { asSlipwayError, digestOf, isSafeRelativePath } from '@slipway/core';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { configure, readClasses, withPlaces } from '../model-tree.ts';
import { isServedName } from '../settings.ts';
import type { Candidate, ListedModel, Source } from '../source.ts';
import { locateVersion } from '../version-directory.ts';
import type { BucketClient, BucketObject } from './client.ts';
import { fetchTree } from './fetch-tree.ts';

export interface BucketOptions {
  /** For messages. */
  readonly description: string;
  /** null: every folder below the prefix is a model. */
  readonly model: string | null;
  readonly client: BucketClient;
  /** A directory of this source alone. */
  readonly directory: string;
  readonly settleMs: number;
  readonly now: () => number;
}

interface SeenVersion {
  readonly fingerprint: string;
  readonly since: number;
}

interface Grouped {
  /** By version; paths relative to the directory of the version. */
  readonly versions: Map<number, BucketObject[]>;
  /** `config.pbtxt` and what lies beside it. */
  readonly beside: BucketObject[];
}

export function bucketSource(options: BucketOptions): Source {
  const { client, directory, settleMs, now } = options;
  const seen = new Map<string, SeenVersion>();
  /** Trees being fetched, and those that were: the same content is fetched once. */
  const fetches = new Map<string, Promise<string>>();

  const fetchOnce = (objects: readonly BucketObject[], base: string): Promise<string> => {
    const fingerprint = fingerprintOf(objects);
    const known = fetches.get(fingerprint);
    if (known !== undefined) return known;
    const destination = path.join(directory, digestOf(fingerprint).slice('sha256:'.length));
    const fetching = fetchTree(client, objects, base, destination);
    fetches.set(fingerprint, fetching);
    // One that failed is tried again when it is asked for again.
    fetching.catch(() => fetches.delete(fingerprint));
    return fetching;
  };

  const listModel = async (
    model: string,
    { versions, beside }: Grouped,
    base: string,
  ): Promise<ListedModel & { warnings: readonly string[] }> => {
    const place = beside.length === 0 ? null : await fetchOnce(beside, base);
    const configured = place === null ? null : await configure(place, model);
    const candidates = [...versions].map(([version, objects]): Candidate => {
      const fingerprint = `${fingerprintOf(objects)}\n${configured?.extras ?? ''}`;
      const id = `${model}:${version}`;
      const before = seen.get(id);
      const since = before?.fingerprint === fingerprint ? before.since : now();
      seen.set(id, { fingerprint, since });
      return {
        model,
        version,
        fingerprint,
        complete: now() - since >= settleMs,
        labels: [],
        digest: null,
        pinned: false,
        bytes: objects.reduce((sum, { size }) => sum + size, 0),
        locate: async () => {
          const at = await fetchOnce(objects, `${base}${version}/`);
          const located = await locateVersion(at, configured?.config.modelFile ?? null);
          const names = configured?.config.classesFile ?? null;
          return place === null || names === null ? located : { ...located, classes: await readClasses(place, names) };
        },
      };
    });
    if (configured === null || place === null) return { candidates, warnings: [] };
    const { settings, expects, warnings } = configured.config;
    return { candidates, settings: withPlaces(settings, place), expects, warnings };
  };

  return {
    description: options.description,
    declares: options.model === null,
    async scan() {
      const warnings: string[] = [];
      const models = new Map<string, ListedModel>();
      const objects = await client.list();
      for (const [model, grouped] of group(objects, options.model, warnings)) {
        const base = options.model === null ? `${model}/` : '';
        try {
          const { warnings: ofModel, ...listed } = await listModel(model, grouped, base);
          models.set(model, listed);
          warnings.push(...ofModel);
        } catch (error) {
          models.set(model, { candidates: [], problem: asSlipwayError(error) });
        }
      }
      if (options.model !== null && !models.has(options.model)) models.set(options.model, { candidates: [] });
      await forget(fetches, objects, directory);
      return { models, warnings };
    },
  };
}

function group(objects: readonly BucketObject[], only: string | null, warnings: string[]): Map<string, Grouped> {
  const models = new Map<string, Grouped>();
  for (const object of objects) {
    if (!isSafeRelativePath(object.key)) {
      warnings.push(`the key ${JSON.stringify(object.key.slice(0, 200))} is not a path of a file, and is not read`);
      continue;
    }
    const segments = object.key.split('/');
    const model = only ?? segments.shift() ?? '';
    if (segments.length === 0 || segments[0]?.startsWith('.') === true) continue;
    if (!isServedName(model)) {
      warnings.push(`"${model}" is not served: it cannot be the name of a model`);
      continue;
    }
    const grouped = models.get(model) ?? { versions: new Map<number, BucketObject[]>(), beside: [] };
    models.set(model, grouped);
    const [first = ''] = segments;
    if (segments.length > 1 && /^(?:0|[1-9]\d{0,14})$/.test(first)) {
      const version = Number(first);
      grouped.versions.set(version, [...(grouped.versions.get(version) ?? []), object]);
    } else grouped.beside.push(object);
  }
  return models;
}

function fingerprintOf(objects: readonly BucketObject[]): string {
  return objects
    .map(({ key, size, etag }) => `${key}:${size}:${etag}`)
    .sort()
    .join('\n');
}

/** Trees whose objects are not listed any more are removed; runners keep what they have open. */
async function forget(
  fetches: Map<string, Promise<string>>,
  objects: readonly BucketObject[],
  directory: string,
): Promise<void> {
  if (fetches.size < 2 || objects.length === 0) return;
  const listed = new Set(objects.map(({ key, size, etag }) => `${key}:${size}:${etag}`));
  for (const [fingerprint, fetching] of fetches) {
    if (fingerprint.split('\n').some((line) => listed.has(line))) continue;
    fetches.delete(fingerprint);
    const at = await fetching.catch(() => null);
    if (at?.startsWith(directory + path.sep) === true) await rm(at, { recursive: true, force: true });
  }
}
