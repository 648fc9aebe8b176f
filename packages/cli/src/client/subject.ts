/** The model a command is about, on this machine: a release of the store, or a path given with `--model NAME=PATH`. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import {
  fail,
  type Manifest,
  MANIFEST_FILE,
  openStore,
  readModelDirectory,
  type Release,
  suggest,
} from '@slipway/core';
import type { Context } from '../frame/context.ts';
import { storeDirectory } from '../project.ts';

export interface Subject {
  readonly name: string;
  /** What a runner is given: a model directory or an .onnx file. */
  readonly path: string;
  readonly manifest: Manifest | null;
  readonly release: Release | null;
}

export interface SubjectOptions {
  readonly model: readonly string[];
  readonly store: string | undefined;
  readonly config: string | undefined;
}

/** @throws RELEASE_NOT_FOUND, MODEL_NOT_FOUND, FILE_NOT_FOUND, USAGE */
export async function findSubject(context: Context, reference: string, options: SubjectOptions): Promise<Subject> {
  const given = namedPaths(context, options.model);
  if (given.size > 0) {
    const at = given.get(reference);
    if (at === undefined) {
      throw fail('USAGE', { problem: `no --model is called "${reference}"${suggest(reference, given.keys())}` });
    }
    const directory = newestVersion(at);
    const manifest = existsSync(path.join(directory, MANIFEST_FILE))
      ? (await readModelDirectory(directory)).manifest
      : null;
    return { name: reference, path: directory, manifest, release: null };
  }
  const store = await openStore(await storeDirectory(context, options));
  const release = await store.resolve(reference);
  return { name: release.name, path: await store.checkout(release), manifest: release.manifest, release };
}

/** Somewhere else than on this machine: `s3://bucket/prefix`. */
export function isAddress(place: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//.test(place);
}

/** `NAME=PATH` texts as absolute paths by name. @throws USAGE, FILE_NOT_FOUND */
export function namedPaths(context: Context, texts: readonly string[]): Map<string, string> {
  const named = new Map<string, string>();
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at <= 0 || at === text.length - 1) throw fail('USAGE', { problem: `--model ${text}: write NAME=PATH` });
    const name = text.slice(0, at);
    if (named.has(name)) throw fail('USAGE', { problem: `two --model are called "${name}"` });
    const place = text.slice(at + 1);
    const file = isAddress(place) ? place : path.resolve(context.cwd, place);
    if (!isAddress(place) && !existsSync(file)) throw fail('FILE_NOT_FOUND', { path: file });
    named.set(name, file);
  }
  return named;
}

/** Of a directory of numbered versions the highest; anything else as it is. */
function newestVersion(at: string): string {
  if (!statSync(at).isDirectory() || existsSync(path.join(at, MANIFEST_FILE))) return at;
  const versions = readdirSync(at)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  if (versions.length === 0) return at;
  const directory = path.join(at, String(Math.max(...versions)));
  const file = path.join(directory, 'model.onnx');
  return existsSync(file) ? file : directory;
}
