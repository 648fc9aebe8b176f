/**
 * The directory of one model as TensorFlow Serving and Triton lay it out: numbered versions, and beside them, if it was written
 * for Triton, `config.pbtxt`, the names of the classes and the data to warm up with.
 *
 *     resnet/config.pbtxt
 *     resnet/labels.txt
 *     resnet/1/model.onnx
 */
import { canonicalJson, fail, fromSystemError, type SlipwayError } from '@slipway/core';
import { open, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { PBTXT_LIMITS } from '../pbtxt/parse.ts';
import { readTritonConfig, type TritonConfig } from './readers/triton.ts';
import type { ModelSettings } from './settings.ts';
import type { Candidate, ListedModel } from './source.ts';
import { contentsOf, locateVersion } from './version-directory.ts';

const CONFIG_FILE = 'config.pbtxt';
/** Names of classes are for people; a model has thousands at most. */
const MAX_CLASSES_BYTES = 16 * 1024 * 1024;

export interface ScannedModel {
  readonly listed: ListedModel;
  readonly warnings: readonly string[];
}

export interface ScanOptions {
  /** How long the files of a version must have been left alone, milliseconds. */
  readonly settleMs: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** @throws FILE_NOT_FOUND, FILE_UNREADABLE; what is wrong with the configuration is the `problem` of the model */
export async function scanModel(model: string, directory: string, options: ScanOptions): Promise<ScannedModel> {
  const { chosen, warnings } = await versionsIn(directory);
  let configured: Awaited<ReturnType<typeof configure>>;
  try {
    configured = await configure(directory, model);
  } catch (error) {
    return { listed: { candidates: [], problem: error as SlipwayError }, warnings };
  }
  const { config = null, extras = '' } = configured ?? {};
  const candidates: Candidate[] = [];
  for (const [version, name] of chosen) {
    const at = path.join(directory, name);
    const contents = await contentsOf(at);
    if (contents === null) continue;
    candidates.push({
      model,
      version,
      fingerprint: `${contents.fingerprint}\n${extras}`,
      complete: contents.count > 0 && options.now - contents.changedAt >= options.settleMs,
      labels: [],
      digest: null,
      pinned: false,
      bytes: contents.bytes,
      locate: async () => {
        const located = await locateVersion(at, config?.modelFile ?? null);
        const classes =
          config === null || config.classesFile === null ? undefined : await readClasses(directory, config.classesFile);
        return classes === undefined ? located : { ...located, classes };
      },
    });
  }
  if (config === null) return { listed: { candidates }, warnings };
  const { expects, settings } = config;
  const listed = { candidates, settings: withPlaces(settings, directory), expects };
  return { listed, warnings: [...warnings, ...config.warnings] };
}

/** Version → name of its directory. */
async function versionsIn(directory: string): Promise<{ chosen: Map<number, string>; warnings: string[] }> {
  const warnings: string[] = [];
  const chosen = new Map<number, string>();
  let entries;
  try {
    entries = await readdir(directory, { withFileTypes: true });
  } catch (error) {
    throw fromSystemError(error, directory, 'reading');
  }
  const configured = entries.some(({ name }) => name === CONFIG_FILE);
  // By length first: of `1`, `01` and `001` the one without leading zeros is taken, whatever the order on disk.
  const names = entries.map((entry) => entry.name).sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  for (const name of names) {
    if (name.startsWith('.')) continue;
    const version = /^\d{1,15}$/.test(name) ? Number(name) : null;
    if (version === null) {
      // Triton keeps more than versions there.
      if (!configured) warnings.push(`${path.join(directory, name)} is not a version: its name is not a whole number`);
    } else if (chosen.has(version)) {
      warnings.push(`${path.join(directory, name)} is version ${version} again; ${chosen.get(version) ?? ''} is used`);
    } else chosen.set(version, name);
  }
  return { chosen, warnings };
}

/** What `config.pbtxt` in a directory says, and what of it makes another model of the same files; null without one. */
export async function configure(
  directory: string,
  model: string,
): Promise<{ readonly config: TritonConfig; readonly extras: string } | null> {
  const config = await readConfig(directory, model);
  return config === null ? null : { config, extras: await configFingerprint(directory, config) };
}

/** null when there is none. @throws SERVING_CONFIG_INVALID, FILE_UNREADABLE */
async function readConfig(directory: string, model: string): Promise<TritonConfig | null> {
  const file = path.join(directory, CONFIG_FILE);
  const content = await readBounded(file, PBTXT_LIMITS.bytes);
  if (content === null) return null;
  const config = readTritonConfig(content, file);
  if (config.name === null || config.name === '' || config.name === path.basename(directory) || config.name === model) {
    return config;
  }
  const problem = `name: "${config.name}" is not the name of the model, "${model}"`;
  throw fail('SERVING_CONFIG_INVALID', { path: file, problem });
}

async function configFingerprint(
  directory: string,
  { expects, modelFile, classesFile }: TritonConfig,
): Promise<string> {
  const classes = classesFile === null ? null : await readBounded(path.join(directory, classesFile), MAX_CLASSES_BYTES);
  return canonicalJson({
    inputs: expects.inputs,
    outputs: expects.outputs,
    modelFile,
    classes: classes?.toString() ?? null,
  });
}

/** One name a line. @throws FILE_NOT_FOUND */
export async function readClasses(directory: string, name: string): Promise<readonly string[]> {
  const file = path.join(directory, name);
  const content = await readBounded(file, MAX_CLASSES_BYTES);
  if (content === null) throw fail('FILE_NOT_FOUND', { path: file });
  const lines = content.toString('utf8').split(/\r?\n/);
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}

/** null when it does not exist. @throws SERVING_CONFIG_INVALID when it is larger, FILE_UNREADABLE */
export async function readBounded(file: string, maxBytes: number): Promise<Buffer | null> {
  try {
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      if (size > maxBytes) {
        throw fail('SERVING_CONFIG_INVALID', { path: file, problem: `is larger than ${maxBytes} bytes` });
      }
      return await readFile(handle);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw fromSystemError(error, file, 'reading');
  }
}

/** Files to warm up with, by absolute path. */
export function withPlaces(settings: ModelSettings, directory: string): ModelSettings {
  const { warmUp } = settings;
  if (warmUp?.samples === undefined) return settings;
  const samples = warmUp.samples.map((sample) => ({
    ...sample,
    inputs: Object.fromEntries(
      Object.entries(sample.inputs).map(([name, input]) => [
        name,
        input.file === undefined ? input : { ...input, file: path.join(directory, input.file) },
      ]),
    ),
  }));
  return { ...settings, warmUp: { ...warmUp, samples } };
}
