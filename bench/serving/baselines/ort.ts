/** onnxruntime-node itself, without anything of ours around it. Resolved where the runtime room declares it. */
import { createRequire } from 'node:module';
import path from 'node:path';

export interface OrtTensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}
export interface OrtSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
}
interface Ort {
  Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => OrtTensor;
  InferenceSession: { create(file: string, options: object): Promise<OrtSession> };
}

const manifest = path.resolve(import.meta.dirname, '../../../packages/runtime/package.json');
export const ort = createRequire(manifest)('onnxruntime-node') as Ort;

export function createSession(file: string, threads: number): Promise<OrtSession> {
  return ort.InferenceSession.create(file, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
}
