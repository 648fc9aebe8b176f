/** A model directory with a manifest, for tests: what `slipway build` would have written. */
import { digestOf, type Manifest, type Signature, type Transforms, writeManifest } from '@slipway/core';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** @param files names → contents of what the transforms need */
export async function writeRelease(
  directory: string,
  model: Buffer,
  of: {
    readonly name: string;
    readonly signature: Signature;
    readonly transforms: Transforms;
    readonly labels?: readonly string[];
    readonly files?: Readonly<Record<string, string>>;
  },
): Promise<string> {
  await mkdir(directory, { recursive: true });
  const files: Manifest['files'][number][] = [];
  const add = async (name: string, role: 'model' | 'transform', content: Buffer): Promise<void> => {
    await writeFile(path.join(directory, name), content);
    files.push({ path: name, role, digest: digestOf(content), size: content.length });
  };
  await add('model.onnx', 'model', model);
  for (const [name, content] of Object.entries(of.files ?? {})) await add(name, 'transform', Buffer.from(content));
  await writeManifest(directory, {
    schema: 'slipway.model/v1',
    name: of.name,
    engine: 'onnxruntime',
    entry: 'model.onnx',
    files,
    signature: of.signature,
    labels: of.labels,
    transforms: of.transforms,
    lineage: { source: { file: 'model.onnx', digest: digestOf(model) }, data: {}, steps: [], tools: {} },
  });
  return directory;
}
