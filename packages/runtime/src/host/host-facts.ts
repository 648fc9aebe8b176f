/** The machine a figure was measured on, as reports name it. */
import { cpus, totalmem } from 'node:os';
import path from 'node:path';
import type { HostFacts } from '@slipway/core';
import { onnxruntimeVersion } from '../onnxruntime/version.ts';
import { memoryLimit, readText } from './cgroup.ts';
import { cpuPlan } from './cpu-plan.ts';

/** The flags that decide which kernels ONNX Runtime picks; x86 and Arm names do not overlap. */
const KERNEL_FLAGS: ReadonlySet<string> = new Set([
  ...['sse4_1', 'sse4_2', 'avx', 'f16c', 'fma', 'avx2', 'avx_vnni', 'avx512f', 'avx512bw', 'avx512dq', 'avx512vl'],
  ...['avx512_vnni', 'avx512_bf16', 'avx512_fp16', 'amx_tile', 'amx_int8', 'amx_bf16'],
  ...['asimd', 'asimddp', 'asimdhp', 'fphp', 'bf16', 'i8mm', 'sve', 'sve2', 'sme'],
]);

/** @param root file root, for tests */
export function hostFacts(root = '/'): HostFacts {
  const info = readText(path.join(root, 'proc/cpuinfo')) ?? '';
  const field = (name: RegExp): string | undefined => name.exec(info)?.[1]?.trim();
  const flags = field(/^(?:flags|Features)\s*:(.*)$/m)?.split(/\s+/) ?? [];
  return {
    platform: `${process.platform}-${process.arch}`,
    cpu: field(/^model name\s*:(.*)$/m) ?? cpus()[0]?.model ?? 'unknown',
    cpuFlags: flags.filter((flag) => KERNEL_FLAGS.has(flag)).sort(),
    cores: cpuPlan().cores,
    memoryBytes: Math.min(totalmem(), memoryLimit(root) ?? Infinity),
    node: process.version,
    engine: `onnxruntime ${onnxruntimeVersion()}`,
  };
}
