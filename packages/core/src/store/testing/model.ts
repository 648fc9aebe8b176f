/** Model directories and reports for tests: the store does not look inside files, so any bytes are a model. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { digestOf } from '../../digest.ts';
import { type Manifest, MANIFEST_SCHEMA, type ManifestFile } from '../../manifest.ts';
import { writeManifest } from '../../model-directory.ts';
import { type Report, REPORT_SCHEMA } from '../../report.ts';

export type Files = Readonly<Record<string, Uint8Array | string>>;

const roleOf = (name: string): ManifestFile['role'] =>
  name.endsWith('.onnx') ? 'model' : name.endsWith('.data') ? 'external-data' : 'other';

export function manifestOf(name: string, files: Files): Manifest {
  const listed = Object.entries(files).map(([at, content]) => ({
    path: at,
    role: roleOf(at),
    digest: digestOf(content),
    size: Buffer.byteLength(content),
  }));
  return {
    schema: MANIFEST_SCHEMA,
    name,
    engine: 'onnxruntime',
    entry: listed.find((file) => file.role === 'model')?.path ?? 'model.onnx',
    files: listed,
    signature: { inputs: [], outputs: [] },
    lineage: { source: { file: 'model.onnx', digest: digestOf('source') }, data: {}, steps: [], tools: {} },
  };
}

export async function writeModel(directory: string, name: string, files: Files): Promise<string> {
  for (const [at, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(directory, at)), { recursive: true });
    await writeFile(path.join(directory, at), content);
  }
  await writeManifest(directory, manifestOf(name, files));
  return directory;
}

export function reportOf(name: string, durationMs = 1): Report {
  return {
    schema: REPORT_SCHEMA,
    name,
    createdAt: '2026-01-01T00:00:00.000Z',
    durationMs,
    host: { platform: 'linux', cpu: '', cpuFlags: [], cores: 1, memoryBytes: 1, node: '', engine: '' },
    signature: { inputs: [], outputs: [] },
    metrics: ['accuracy'],
    objective: 'latency',
    gates: {},
    choices: { latency: null, size: null, accuracy: null },
    winner: null,
    release: null,
    candidates: [],
    search: null,
    lineage: null,
    rows: { calibration: 0, evaluation: 0 },
    tools: {},
  };
}
