/**
 * ONNX Runtime behind the engine interface: the only file of the repository that loads onnxruntime-node.
 *
 * Tensors go in and come out as views. ORT's own `Tensor` class is not used for inputs: the binding reads plain objects of
 * the same form, and the class would turn float16 bits into a Float16Array that the binding cannot read (1.30).
 * The library is loaded inside `openOnnxruntime`, so that importing this file needs no native code and a machine
 * on which the binding does not load gets an error with a remedy instead of a stack.
 */
import path from 'node:path';
import { ARRAY_OF, fail, type NumericData, type Tensor, type Tensors } from '@slipway/core/base';
import type { Signature } from '@slipway/core';
import type * as OnnxRuntime from 'onnxruntime-node';
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import type { Engine, EngineSession, SessionOptions } from '../engine.ts';
import { loadError, runError } from './errors.ts';
import { checkProviders, providerFailure } from './providers.ts';
import { signatureOf } from './signature.ts';
import { onnxruntimeVersion } from './version.ts';

const NAME = 'onnxruntime';

type Library = Pick<typeof OnnxRuntime, 'InferenceSession' | 'listSupportedBackends'>;

/** @throws ENGINE_UNAVAILABLE when the native library does not load on this machine */
export async function openOnnxruntime(): Promise<Engine> {
  let library: Library;
  try {
    library = await import('onnxruntime-node');
  } catch (error) {
    const problem = error instanceof Error ? (error.message.split('\n')[0] ?? error.message) : String(error);
    throw fail('ENGINE_UNAVAILABLE', { engine: NAME, problem }, { cause: error });
  }
  return {
    name: NAME,
    version: onnxruntimeVersion(),
    load: (file, options) => load(library, file, options),
  };
}

async function load(library: Library, file: string, options: SessionOptions): Promise<EngineSession> {
  const { executionProviders: providers = [], interThreads = 1, config = {} } = options;
  const name = path.basename(file);
  checkProviders(providers, library.listSupportedBackends(), name);
  let session: InferenceSession;
  let signature: Signature;
  try {
    session = await library.InferenceSession.create(file, {
      intraOpNumThreads: options.threads,
      interOpNumThreads: interThreads,
      executionMode: interThreads > 1 ? 'parallel' : 'sequential',
      enableCpuMemArena: options.memoryArena ?? true,
      ...(providers.length === 0 ? {} : { executionProviders: providers }),
      graphOptimizationLevel: options.optimization === 'none' ? 'disabled' : options.optimization,
      // Only what is fatal: every error is thrown as well, and one line per bad request would flood the log.
      logSeverityLevel: 4,
      ...(options.saveOptimizedTo === undefined ? {} : { optimizedModelFilePath: options.saveOptimizedTo }),
      extra: {
        session: {
          intra_op: { allow_spinning: options.spinning ? '1' : '0' },
          ...(options.saveWeightsTo === undefined
            ? {}
            : { optimized_model_external_initializers_file_name: options.saveWeightsTo }),
        },
        // What is said by the engine's own name wins.
        ...config,
      },
    });
    signature = signatureOf(session, file);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw providerFailure(text, providers, name) ?? loadError(error, file);
  }
  return {
    signature,
    async run(inputs) {
      const feeds: Record<string, OrtTensor> = {};
      for (const spec of signature.inputs) {
        const value = inputs[spec.name];
        if (value !== undefined) feeds[spec.name] = toOrt(value);
      }
      let results: InferenceSession.OnnxValueMapType;
      try {
        results = await session.run(feeds);
      } catch (error) {
        throw runError(error);
      }
      const outputs: Record<string, Tensor> = {};
      for (const spec of signature.outputs) outputs[spec.name] = fromOrt(spec.dtype, results[spec.name] as OrtTensor);
      return outputs satisfies Tensors;
    },
    release: () => session.release(),
  };
}

function toOrt(value: Tensor): OrtTensor {
  return { type: value.dtype, data: value.data, dims: value.shape, location: 'cpu' } as unknown as OrtTensor;
}

function fromOrt(dtype: Tensor['dtype'], value: OrtTensor): Tensor {
  const shape = value.dims;
  if (dtype === 'string') return { dtype, shape, data: value.data as string[] };
  const raw = value.data as NumericData;
  const data = dtype === 'float16' ? new ARRAY_OF.float16(raw.buffer, raw.byteOffset, raw.length) : raw;
  return { dtype, shape, data } as Tensor;
}
