/** Runs a quantizer, ours or ONNX Runtime's, in a process of its own and watches what it takes. */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import type { PassSpec } from '@slipway/core';
import { treeRssBytes } from '../harness/rss.ts';
import { python, SCRIPT } from './peers.ts';

export type Tool = 'slipway' | 'onnxruntime';

export interface Job {
  readonly source: string;
  readonly spec: Extract<PassSpec, { pass: 'quantize.static' | 'quantize.dynamic' }>;
  /** A .npz with one array per input. */
  readonly calibration: string | null;
  /** Whether weights go to a file beside the model. Ours decides by itself. */
  readonly external?: boolean;
  readonly perChannel?: boolean;
}

export interface Run {
  readonly tool: Tool;
  /** Wall time of the work: interpreters started, libraries loaded before. */
  readonly seconds: number;
  /** Of the process that quantizes. Ours runs models in another one. */
  readonly cpuSeconds: number;
  readonly peakMB: number;
  /** Of that process and all it started, sampled every 50 ms. */
  readonly treePeakMB: number;
  readonly resultMB: number;
}

/** @param directory where the result goes, as `model.onnx`; emptied before */
export async function quantize(tool: Tool, job: Job, directory: string): Promise<Run> {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const { source, spec, calibration, external = false, perChannel = true } = job;
  const theirs = {
    tool: spec.pass === 'quantize.static' ? 'static' : 'dynamic',
    target: path.join(directory, 'model.onnx'),
    ...{ source, calibration, external, perChannel },
  };
  const ours = { source, spec: { ...spec, perChannel }, directory, calibration };
  const [command, args] =
    tool === 'slipway'
      ? [process.execPath, [path.join(import.meta.dirname, 'slipway.ts'), JSON.stringify(ours)]]
      : [python(), [SCRIPT, JSON.stringify(theirs)]];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [printed, complaints, treePeak] = ['', '', 0];
  child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()));
  const watch = setInterval(() => (treePeak = Math.max(treePeak, treeRssBytes(child.pid ?? 0))), 50);
  const status = await new Promise((resolve) => child.on('close', resolve));
  clearInterval(watch);
  if (status !== 0) throw new Error(`${tool} failed: ${complaints.trim().split('\n').at(-1) ?? ''}`);
  const { ms, cpuMs, peakBytes } = JSON.parse(printed) as { ms: number; cpuMs: number; peakBytes: number };
  return {
    tool,
    seconds: rounded(ms / 1000),
    cpuSeconds: rounded(cpuMs / 1000),
    peakMB: Math.round(peakBytes / 1e6),
    treePeakMB: Math.round(Math.max(treePeak, peakBytes) / 1e6),
    resultMB: megabytes(directory),
  };
}

/** Of all files in a folder. */
export function megabytes(directory: string): number {
  return rounded(
    readdirSync(directory).reduce((sum, file) => sum + statSync(path.join(directory, file)).size, 0) / 1e6,
  );
}

export const rounded = (value: number): number => Number(value.toPrecision(4));
