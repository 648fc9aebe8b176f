/** One pass of ours in a process of its own, so that its peak memory is its own. Started by quantize.ts. */
import { readFileSync } from 'node:fs';
import { createDataset, type PassSpec, readNpz } from '@slipway/core';
import { readModelFile, signatureOf } from '@slipway/onnx';
import { applyPass } from '@slipway/prepare';

interface Call {
  readonly source: string;
  readonly spec: PassSpec;
  readonly directory: string;
  /** A .npz with one array per input, or null. */
  readonly calibration: string | null;
}

const { source, spec, directory, calibration } = JSON.parse(process.argv[2] ?? '') as Call;
const started = performance.now();
let rows = null;
if (calibration !== null) {
  const inputs = Object.fromEntries(readNpz(calibration));
  const rowCount = Object.values(inputs)[0]?.shape[0] ?? 0;
  rows = createDataset(signatureOf(await readModelFile(source)), inputs, null, { rowCount, firstRow: 0 });
}
await applyPass(source, spec, directory, { calibration: rows });
const { user, system } = process.cpuUsage();
const peakBytes = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
console.log(JSON.stringify({ ms: performance.now() - started, cpuMs: (user + system) / 1000, peakBytes }));
