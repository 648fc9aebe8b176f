/**
 * A bundle: one folder that serves one release with nothing else installed. It holds the running Node binary, the server with
 * the packages it needs, ONNX Runtime for this platform's CPU, and the model.
 *
 * Same inputs, same bytes: files are written in order, with fixed modes and times, and listed with their digests in
 * MANIFEST.json. The folder appears under its name only when it is complete.
 */
import { existsSync, readdirSync } from 'node:fs';
import { chmod, cp, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  describeSpec,
  type Digest,
  digestOf,
  digestOfFile,
  ensureDirectory,
  fail,
  fromSystemError,
  type Manifest,
  type Release,
} from '@slipway/core';
import { packageClosure } from './closure.ts';
import { withoutSymbols } from './elf.ts';
import { filesOf } from './package-files.ts';
import { readme, runScript } from './texts.ts';

export interface BundleOptions {
  readonly release: Release;
  /** Directory of the release's files. */
  readonly modelDirectory: string;
  /** Must not exist, or be empty. */
  readonly output: string;
  /** Directory of the package whose `bin/slipway.js serve` runs the server. */
  readonly application: string;
  /** Packages of the application that serving does not need. */
  readonly omit: readonly string[];
  /** The Node binary to include. */
  readonly node: string;
  /** `linux/x64`. Only the one this process runs on can be made here. */
  readonly platform: string;
  readonly onProgress?: (step: string) => void;
}

export interface Bundle {
  readonly directory: string;
  readonly bytes: number;
  /** Bytes by part: node, server, engine, model. */
  readonly parts: Readonly<Record<'node' | 'server' | 'engine' | 'model', number>>;
  readonly files: number;
  /** Of MANIFEST.json, and so of everything. */
  readonly digest: Digest;
}

interface Entry {
  readonly path: string;
  readonly mode: '0644' | '0755';
  readonly size: number;
  readonly digest: Digest;
}

/** 1980-01-01, the first day every archive format can say. */
const MTIME = new Date('1980-01-01T00:00:00Z');

/** @throws PLATFORM_UNSUPPORTED, OUTPUT_EXISTS, DISK_FULL, READ_ONLY */
export async function writeBundle(options: BundleOptions): Promise<Bundle> {
  const host = `${process.platform}/${process.arch}`;
  if (options.platform !== host || process.platform !== 'linux') {
    throw fail('PLATFORM_UNSUPPORTED', { platform: options.platform, host });
  }
  const output = path.resolve(options.output);
  if (existsSync(output) && readdirSync(output).length > 0) throw fail('OUTPUT_EXISTS', { path: output });
  const building = `${output}.partial-${process.pid}`;
  try {
    const bundle = await write(options, building);
    await rm(output, { recursive: true, force: true });
    await rename(building, output);
    return { ...bundle, directory: output };
  } catch (error) {
    // A defect of ours must not look like one of the disk.
    throw error instanceof Error && 'syscall' in error ? fromSystemError(error, output, 'writing the bundle') : error;
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

async function write(options: BundleOptions, root: string): Promise<Omit<Bundle, 'directory'>> {
  const { release, onProgress = () => undefined } = options;
  const { manifest } = release;
  const entries: Entry[] = [];
  const parts = { node: 0, server: 0, engine: 0, model: 0 };
  const put = async (name: string, content: Buffer, executable: boolean, part: keyof typeof parts): Promise<void> => {
    const file = path.join(root, name);
    await ensureDirectory(path.dirname(file));
    await writeFile(file, content);
    await seal(file, executable);
    entries.push({ path: name, mode: executable ? '0755' : '0644', size: content.length, digest: digestOf(content) });
    parts[part] += content.length;
  };

  onProgress('node');
  const node = await readFile(options.node);
  await put('bin/node', withoutSymbols(node), true, 'node');

  onProgress('server');
  const platform = { os: process.platform, cpu: process.arch };
  const packages = packageClosure(options.application, [...options.omit, ...unusedLibraries(manifest)]);
  for (const found of packages) {
    const part = found.name.startsWith('onnxruntime') ? 'engine' : 'server';
    for (const file of filesOf(found, platform)) await put(`app/${file.path}`, file.content, file.executable, part);
  }

  onProgress('model');
  for (const { path: name, digest, size } of manifest.files) await copyModelFile(name, digest, size);
  await put(
    `models/${manifest.name}/slipway.json`,
    await readFile(path.join(options.modelDirectory, 'slipway.json')),
    false,
    'model',
  );

  await put('run', Buffer.from(runScript(manifest.name)), true, 'server');
  const reference = `${release.name}:${release.version}`;
  const inputs = manifest.signature.inputs.map((spec) => `\`${spec.name}\` ${describeSpec(spec)}`);
  const readmeText = readme({
    model: manifest.name,
    reference,
    digest: release.digest,
    platform: options.platform,
    inputs,
  });
  await put('README.md', Buffer.from(readmeText), false, 'server');

  const listing = `${JSON.stringify(
    {
      schema: 'slipway.bundle/v1',
      model: manifest.name,
      release: release.digest,
      platform: options.platform,
      node: { version: process.versions.node, source: digestOf(node) },
      packages: packages.map(({ name, version, license }) => ({ name, version, license })),
      files: entries.sort((a, b) => (a.path < b.path ? -1 : 1)),
    },
    null,
    2,
  )}\n`;
  await writeFile(path.join(root, 'MANIFEST.json'), listing);
  await seal(path.join(root, 'MANIFEST.json'), false);
  const bytes = entries.reduce((sum, entry) => sum + entry.size, 0) + Buffer.byteLength(listing);
  return { bytes, parts, files: entries.length + 1, digest: digestOf(listing) };

  /** Model files can be larger than memory: copied by the system, then checked. */
  async function copyModelFile(name: string, digest: Digest, size: number): Promise<void> {
    const target = `models/${manifest.name}/${name}`;
    const file = path.join(root, target);
    await ensureDirectory(path.dirname(file));
    await cp(path.join(options.modelDirectory, name), file);
    const actual = await digestOfFile(file);
    if (actual !== digest || (await stat(file)).size !== size) {
      throw fail('DIGEST_MISMATCH', { path: path.join(options.modelDirectory, name), actual, expected: digest });
    }
    await seal(file, false);
    entries.push({ path: target, mode: '0644', size, digest });
    parts.model += size;
  }
}

/** Libraries of transforms that this release does not declare. */
function unusedLibraries({ transforms }: Manifest): string[] {
  const steps = new Set<string>((transforms?.inputs ?? []).map((step) => step.transform));
  return [
    ...(steps.has('tokenize') ? [] : ['@huggingface/tokenizers']),
    ...(steps.has('decodeImage') ? [] : ['sharp']),
  ];
}

async function seal(file: string, executable: boolean): Promise<void> {
  await chmod(file, executable ? 0o755 : 0o644);
  await utimes(file, MTIME, MTIME);
}
