/** What both transports of the Open Inference Protocol answer from: one of each per server. */
import type { Logger } from '@slipway/core';
import type { Tracer } from '../../telemetry/tracer.ts';
import type { Gateway } from '../gateway.ts';
import { type ServerIdentity } from './describe.ts';
import { LogSettings } from './log-settings.ts';
import { TraceApi } from './trace-settings.ts';
import { SharedMemory } from './shared-memory.ts';

export interface InferenceContext {
  readonly gateway: Gateway;
  readonly server: ServerIdentity;
  readonly memory: SharedMemory;
  readonly log: LogSettings;
  readonly trace: TraceApi;
  readonly logger: Logger;
}

interface InferenceOptions {
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
    server: { name: 'slipway', version, extensions: extensions(memory, gateway.tracer) },
    memory,
    log: new LogSettings(logger, allowClientSettings),
    trace: new TraceApi(gateway, allowClientSettings),
    logger,
  };
}

/** Names of Triton's extensions; exactly those that are on. */
function extensions(memory: SharedMemory, tracer: Tracer): readonly string[] {
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
    ...(tracer.path === '' ? [] : ['trace']),
  ];
}
