/**
 * `index.json`: the only mutable file of a store, and what decides which releases there are. It is read whole and
 * replaced whole. Entries that are not releases (reports, what other tools keep here) are carried along untouched.
 */
import { readdir } from 'node:fs/promises';
import { canonicalJson, type Digest } from '../digest.ts';
import { ensureDirectory, replaceFile, syncDirectory } from '../durable.ts';
import { fail, fromSystemError, hasCode } from '../errors.ts';
import { JsonProblem, parseJson, readBounded } from '../json-file.ts';
import { isModelName } from '../manifest.ts';
import type { Reference } from '../store.ts';
import { LIMITS } from '../limits.ts';
import {
  ANNOTATION,
  type Descriptor,
  indexSchema,
  LAYOUT_MARKER,
  layoutMarkerSchema,
  MEDIA,
  type OciIndex,
} from './layout.ts';
import type { Place } from './place.ts';

/** A release as `index.json` knows it. */
export interface Entry {
  readonly digest: Digest;
  readonly name: string;
  readonly version: number;
  readonly aliases: readonly string[];
  readonly createdAt: string;
  /** Digest of the OCI manifest of its report. */
  readonly report: Digest | null;
  readonly descriptor: Descriptor;
}

const EMPTY_INDEX: OciIndex = { schemaVersion: 2, mediaType: MEDIA.index, manifests: [] };
const OUR_ANNOTATIONS = new Set<string>(Object.values(ANNOTATION));
const OURS = new Set(['oci-layout', 'index.json', 'blobs', 'tmp', 'checkouts']);

/**
 * A directory that is absent, empty, or whose creation was interrupted reads as an empty store.
 * @throws STORE_CORRUPT when it is something else
 */
export async function readIndex(place: Place): Promise<OciIndex> {
  const marker = await readOptional(place.marker, 1024);
  if (marker === null) {
    const found = await readdir(place.root).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw fromSystemError(error, place.root, 'reading');
    });
    const foreign = found.find((name) => !OURS.has(name) && !name.startsWith('lock') && !name.startsWith('.'));
    if (foreign === undefined) return EMPTY_INDEX;
    throw fail('STORE_CORRUPT', {
      path: place.root,
      problem: `is not a store: it has "${foreign}" but no oci-layout file`,
    });
  }
  try {
    parseJson(marker, layoutMarkerSchema);
  } catch (error) {
    if (!(error instanceof JsonProblem)) throw error;
    throw fail('STORE_CORRUPT', { path: place.marker, problem: `is not OCI image layout 1.0.0: ${error.message}` });
  }
  const content = await readOptional(place.index, LIMITS.maxIndexBytes);
  if (content === null) throw fail('STORE_CORRUPT', { path: place.index, problem: 'the index is missing' });
  try {
    return parseJson(content, indexSchema);
  } catch (error) {
    if (!(error instanceof JsonProblem)) throw error;
    throw fail('STORE_CORRUPT', { path: place.index, problem: error.message });
  }
}

async function readOptional(file: string, maxBytes: number): Promise<Buffer | null> {
  try {
    return await readBounded(file, maxBytes);
  } catch (error) {
    if (hasCode(error, 'FILE_NOT_FOUND')) return null;
    if (error instanceof JsonProblem) throw fail('STORE_CORRUPT', { path: file, problem: error.message });
    throw error;
  }
}

/** Under the lock: make the folders and files of an empty store. The marker comes last: with it, the store exists. */
export async function initialise(place: Place): Promise<void> {
  try {
    await ensureDirectory(place.blobs);
    await ensureDirectory(place.temporary);
    if ((await readOptional(place.marker, 1024)) !== null) return;
    if ((await readOptional(place.index, LIMITS.maxIndexBytes)) === null) await writeIndex(place, EMPTY_INDEX);
    await replaceFile(place.marker, LAYOUT_MARKER, { temporaryDirectory: place.temporary, step: place.step });
    await syncDirectory(place.root);
  } catch (error) {
    throw fromSystemError(error, place.root, 'creating the store');
  }
}

/** Under the lock. The moment a change happens is the rename in here. */
export async function writeIndex(place: Place, index: OciIndex): Promise<void> {
  try {
    await replaceFile(place.index, `${canonicalJson(index)}\n`, {
      temporaryDirectory: place.temporary,
      step: place.step,
    });
  } catch (error) {
    throw fromSystemError(error, place.index, 'writing the index of the store');
  }
}

/** Releases by name and then version. */
export function entriesOf(index: OciIndex): Entry[] {
  return index.manifests
    .map(entryOf)
    .filter((entry) => entry !== null)
    .sort((a, b) => (a.name === b.name ? a.version - b.version : a.name < b.name ? -1 : 1));
}

function entryOf(descriptor: Descriptor): Entry | null {
  const annotations = descriptor.annotations ?? {};
  const createdAt = annotations[ANNOTATION.createdAt];
  const [, name, version] = /^([^:]+):([1-9][0-9]{0,14})$/.exec(annotations[ANNOTATION.refName] ?? '') ?? [];
  if (name === undefined || !isModelName(name) || createdAt === undefined) return null;
  const aliases = (annotations[ANNOTATION.aliases] ?? '').split(',').filter((alias) => alias !== '');
  const report = annotations[ANNOTATION.report];
  return {
    digest: descriptor.digest,
    name,
    version: Number(version),
    aliases,
    createdAt,
    report: report === undefined ? null : (report as Digest),
    descriptor,
  };
}

function describeEntry(entry: Omit<Entry, 'descriptor'>, size: number): Descriptor {
  return {
    mediaType: MEDIA.manifest,
    artifactType: MEDIA.model,
    digest: entry.digest,
    size,
    annotations: {
      [ANNOTATION.refName]: `${entry.name}:${entry.version}`,
      [ANNOTATION.createdAt]: entry.createdAt,
      ...(entry.aliases.length === 0 ? {} : { [ANNOTATION.aliases]: [...entry.aliases].sort().join(',') }),
      ...(entry.report === null ? {} : { [ANNOTATION.report]: entry.report }),
    },
  };
}

/** The index with `changed` in place of the entry of the same digest, or at the end. */
export function withEntry(index: OciIndex, changed: Omit<Entry, 'descriptor'>, size: number): OciIndex {
  const before = index.manifests.findIndex((each) => each.digest === changed.digest && entryOf(each) !== null);
  const foreign = Object.entries(index.manifests[before]?.annotations ?? {}).filter(
    ([key]) => !OUR_ANNOTATIONS.has(key),
  );
  const described = describeEntry(changed, size);
  const descriptor = { ...described, annotations: { ...Object.fromEntries(foreign), ...described.annotations } };
  const manifests = before === -1 ? [...index.manifests, descriptor] : index.manifests.with(before, descriptor);
  return { ...index, manifests };
}

/** One more than the highest version of `name` there is or ever was. */
export function nextVersion(index: OciIndex, name: string): number {
  const recorded = Number(index.annotations?.[`${ANNOTATION.lastVersion}.${name}`] ?? 0);
  const versions = entriesOf(index)
    .filter((entry) => entry.name === name)
    .map((entry) => entry.version);
  return Math.max(0, Number.isSafeInteger(recorded) ? recorded : 0, ...versions) + 1;
}

export function findEntry(entries: readonly Entry[], reference: Reference): Entry | undefined {
  switch (reference.kind) {
    case 'digest':
      return entries.find((entry) => entry.digest === reference.digest);
    case 'latest':
      return entries.findLast((entry) => entry.name === reference.name);
    case 'version':
      return entries.find((entry) => entry.name === reference.name && entry.version === reference.version);
    case 'alias':
      return entries.find((entry) => entry.name === reference.name && entry.aliases.includes(reference.alias));
  }
}
