/** What both transports of the Open Inference Protocol answer from: one of each per server. */
import type { Gateway } from '../gateway.ts';
import { type ServerIdentity } from './describe.ts';
import { SharedMemory } from './shared-memory.ts';

export interface InferenceContext {
  readonly gateway: Gateway;
  readonly server: ServerIdentity;
  readonly memory: SharedMemory;
}

export interface InferenceOptions {
  readonly gateway: Gateway;
  /** Of the server. */
  readonly version: string;
  /** Clients may register shared memory. */
  readonly allowClientShm: boolean;
  readonly maxBodyBytes: number;
}

export function inferenceContext({
  gateway,
  version,
  allowClientShm,
  maxBodyBytes,
}: InferenceOptions): InferenceContext {
  const memory = new SharedMemory({ allowed: allowClientShm, maxBytes: maxBodyBytes });
  return { gateway, server: { name: 'slipway', version, extensions: extensions(memory) }, memory };
}

/** Names of Triton's extensions; exactly those that are on. */
function extensions(memory: SharedMemory): readonly string[] {
  return [
    'binary_tensor_data',
    'classification',
    'model_repository',
    'parameters',
    'schedule_policy',
    ...(memory.allowed ? ['system_shared_memory'] : []),
  ];
}
