/** The model directory of a candidate: its files, golden samples and manifest, byte for byte the same in every build. */
import { constants } from 'node:fs';
import { copyFile, stat } from 'node:fs/promises';
import path from 'node:path';
import {
  digestOfFile,
  digestOfJson,
  fromSystemError,
  type Lineage,
  type Manifest,
  MANIFEST_SCHEMA,
  type ManifestFile,
  writeManifest,
} from '@slipway/core';
import { hostFacts } from '@slipway/runtime';
import type { Imported } from '../import/import.ts';
import type { Made } from './candidate.ts';
import type { BuildContext } from './context.ts';
import type { BuildData } from './data.ts';
import { type Examined, GOLDEN_FILE } from './examine.ts';
import { nameFiles } from '../transforms/files.ts';
import { MODEL_FILE } from './model-files.ts';

export interface Assembled {
  readonly directory: string;
  readonly manifest: Manifest;
}

export async function assemble(
  made: Made,
  examined: Examined,
  imported: Imported,
  data: BuildData,
  { config, cache, tools }: BuildContext,
): Promise<Assembled> {
  const directory = await cache.scratch();
  const files: ManifestFile[] = [];
  const take = async (from: string, name: string, role: ManifestFile['role'], file = name): Promise<void> => {
    const to = path.join(directory, name);
    try {
      await copyFile(path.join(from, file), to, constants.COPYFILE_FICLONE);
      files.push({ path: name, role, digest: await digestOfFile(to), size: (await stat(to)).size });
    } catch (error) {
      throw fromSystemError(error, to, 'writing the model directory');
    }
  };
  for (const file of made.model.files) {
    await take(made.directory, file, file === MODEL_FILE ? 'model' : 'external-data');
  }
  await take(examined.directory, GOLDEN_FILE, 'golden');
  const { transforms, files: transformFiles } = nameFiles(imported.transforms);
  for (const [name, at] of transformFiles) await take(path.dirname(at), name, 'transform', path.basename(at));
  const manifest: Manifest = {
    schema: MANIFEST_SCHEMA,
    name: config.name,
    engine: 'onnxruntime',
    entry: MODEL_FILE,
    files,
    signature: examined.signature,
    golden: { file: GOLDEN_FILE, ...examined.golden },
    ...(config.labels === null ? {} : { labels: config.labels }),
    ...(Object.keys(transforms).length === 0 ? {} : { transforms }),
    ...(Object.keys(config.serve).length === 0 ? {} : { serving: config.serve }),
    ...(made.requires === null ? {} : { requires: made.requires }),
    lineage: lineageOf(made, imported, data, config.source, tools),
  };
  await writeManifest(directory, manifest);
  return { directory, manifest };
}

function lineageOf(made: Made, imported: Imported, data: BuildData, source: string, tools: Lineage['tools']): Lineage {
  return {
    source: { file: path.basename(source), digest: imported.sourceDigest },
    data: {
      // Data is part of the lineage of what depends on it.
      ...(made.calibrated && data.calibration !== null ? { calibration: data.calibration.digest } : {}),
      ...(data.generated ? {} : { evaluation: data.evaluation.digest }),
    },
    recipe: digestOfJson(made.passes),
    steps: made.steps,
    tools,
    cpuFlags: hostFacts().cpuFlags,
  };
}
