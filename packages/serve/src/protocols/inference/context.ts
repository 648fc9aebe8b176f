/** What both transports of the Open Inference Protocol answer from: one of each per server. */
import type { Logger } from '@slipway/core';
import type { Gateway } from '../gateway.ts';
import { type ServerIdentity } from './describe.ts';
import { LogSettings } from './log-settings.ts';
import { SharedMemory } from './shared-memory.ts';

export interface InferenceContext {
  readonly gateway: Gateway;
  readonly server: ServerIdentity;
  readonly memory: SharedMemory;
  readonly log: LogSettings;
}

export interface InferenceOptions {
  readonly gateway: Gateway;
  /** Of the server. */
  readonly version: string;
  /** Clients may register shared memory. */
  readonly allowClientShm: boolean;
  /** Clients may change what is logged. */
  readonly allowClientSettings: boolean;
  readonly maxBodyBytes: number;
  readonly logger: Logger;
}

export function inferenceContext({
  gateway,
  version,
  allowClientShm,
  allowClientSettings,
  maxBodyBytes,
  logger,
}: InferenceOptions): InferenceContext {
  const memory = new SharedMemory({ allowed: allowClientShm, maxBytes: maxBodyBytes });
  return {
    gateway,
    server: { name: 'slipway', version, extensions: extensions(memory) },
    memory,
    log: new LogSettings(logger, allowClientSettings),
  };
}

/** Names of Triton's extensions; exactly those that are on. */
function extensions(memory: SharedMemory): readonly string[] {
  return [
    'binary_tensor_data',
    'classification',
    'logging',
    'model_configuration',
    'model_repository',
    'parameters',
    'schedule_policy',
    'statistics',
    ...(memory.allowed ? ['system_shared_memory'] : []),
  ];
}
