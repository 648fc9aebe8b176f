/**
 * A model on disk: a directory with `slipway.json` and the files it lists. Reading one trusts nothing: the manifest is
 * bounded and checked against its schema, and every file must be a regular file inside the directory, of the size the
 * manifest names. A symbolic link is followed only when it stays inside (Kubernetes mounts volumes that way).
 */
import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { canonicalJson, digestOfFile } from './digest.ts';
import { replaceFile } from './durable.ts';
import { fail, fromSystemError } from './errors.ts';
import { JsonProblem, parseJson, readBounded } from './json-file.ts';
import { LIMITS } from './limits.ts';
import { type Manifest, MANIFEST_FILE, type ManifestFile } from './manifest.ts';

export interface ModelDirectory {
  readonly manifest: Manifest;
  /** Absolute. */
  readonly directory: string;
}

/**
 * @param options.verify also compare the digest of every file with the manifest
 * @throws MANIFEST_INVALID, FILE_NOT_FOUND, FILE_UNREADABLE, DIGEST_MISMATCH
 */
export async function readModelDirectory(
  directory: string,
  options: { readonly verify?: boolean } = {},
): Promise<ModelDirectory> {
  const root = path.resolve(directory);
  const manifestPath = path.join(root, MANIFEST_FILE);
  let manifest: Manifest;
  try {
    manifest = await parseManifest(await readBounded(manifestPath, LIMITS.maxManifestBytes));
  } catch (error) {
    if (error instanceof JsonProblem) throw fail('MANIFEST_INVALID', { path: manifestPath, problem: error.message });
    throw error;
  }
  const realRoot = await realpath(root);
  for (const file of manifest.files) await checkFile(root, realRoot, file, options.verify === true);
  return { manifest, directory: root };
}

/**
 * Write `slipway.json`, atomically. Equal manifests give equal bytes: two-space indentation, sorted keys, files by
 * path, a newline at the end.
 */
export async function writeManifest(directory: string, manifest: Manifest): Promise<void> {
  const file = path.join(directory, MANIFEST_FILE);
  const content = serializeManifest(manifest);
  try {
    await parseManifest(Buffer.from(content));
  } catch (error) {
    if (error instanceof JsonProblem) throw fail('MANIFEST_INVALID', { path: file, problem: error.message });
    throw error;
  }
  try {
    await replaceFile(file, content);
  } catch (error) {
    throw fromSystemError(error, file, 'writing the manifest');
  }
}

/** The one text form of a manifest. */
export function serializeManifest(manifest: Manifest): string {
  const files = [...manifest.files].sort((a, b) => (a.path < b.path ? -1 : 1));
  // The canonical form fixes the order of keys, so that parsing and printing it is deterministic.
  return `${JSON.stringify(JSON.parse(canonicalJson({ ...manifest, files })), null, 2)}\n`;
}

/** @throws JsonProblem, also for what a schema cannot say: files that are named but not listed, or listed twice. */
export async function parseManifest(content: Uint8Array): Promise<Manifest> {
  // Only who reads a manifest pays for its schema: see `index.ts`.
  const { manifestSchema } = await import('./manifest-schema.ts');
  const manifest = parseJson(content, manifestSchema);
  const listed = new Map<string, ManifestFile>();
  for (const file of manifest.files) {
    if (file.path === MANIFEST_FILE) throw new JsonProblem(`files: "${MANIFEST_FILE}" cannot list itself`);
    if (listed.has(file.path)) throw new JsonProblem(`files: "${file.path}" is listed twice`);
    listed.set(file.path, file);
  }
  if (listed.get(manifest.entry)?.role !== 'model') {
    throw new JsonProblem(`entry: "${manifest.entry}" is not among the files with the role "model"`);
  }
  for (const step of manifest.transforms?.inputs ?? []) {
    if (step.transform === 'tokenize' && listed.get(step.tokenizer)?.role !== 'transform') {
      throw new JsonProblem(`transforms: "${step.tokenizer}" is not among the files with the role "transform"`);
    }
  }
  if (manifest.golden !== undefined && !listed.has(manifest.golden.file)) {
    throw new JsonProblem(`golden.file: "${manifest.golden.file}" is not among the files`);
  }
  return manifest;
}

async function checkFile(root: string, realRoot: string, file: ManifestFile, verify: boolean): Promise<void> {
  const at = path.join(root, file.path);
  const invalid = (problem: string) => fail('MANIFEST_INVALID', { path: path.join(root, MANIFEST_FILE), problem });
  try {
    const real = await realpath(at);
    if (!real.startsWith(realRoot + path.sep)) throw invalid(`"${file.path}" is a link out of the directory`);
    const found = await stat(real);
    if (!found.isFile()) throw invalid(`"${file.path}" is not a regular file`);
    if (found.size !== file.size) throw invalid(`"${file.path}" has ${found.size} bytes, expected ${file.size}`);
    if (!verify) return;
    const actual = await digestOfFile(real);
    if (actual !== file.digest) throw fail('DIGEST_MISMATCH', { path: at, actual, expected: file.digest });
  } catch (error) {
    throw fromSystemError(error, at, 'reading');
  }
}
