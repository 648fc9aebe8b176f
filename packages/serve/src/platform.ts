/**
 * What managed platforms agree with a container: where it listens, where the model lies, on which paths it is asked. They say
 * it in environment variables, read here and nowhere else.
 *
 * - Amazon SageMaker: `docker run IMAGE serve`, port 8080 or SAGEMAKER_BIND_TO_PORT, model in /opt/ml/model, `GET /ping`,
 *   `POST /invocations`; SAGEMAKER_MULTI_MODEL=true adds loading and unloading below `/models`.
 * - Vertex AI: AIP_HTTP_PORT, AIP_HEALTH_ROUTE, AIP_PREDICT_ROUTE, AIP_STORAGE_URI.
 * - Azure Machine Learning: AZUREML_MODEL_DIR; routes are what the deployment says, `POST /score` on port 5001 by default.
 *
 * All three reach the container from outside, so it listens on every interface.
 */
import { fail } from '@slipway/core';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';

type PlatformName = 'sagemaker' | 'vertex' | 'azureml';

export interface Platform {
  readonly name: PlatformName;
  readonly host: string;
  readonly port: number;
  /** The directory or file the platform put the model at; null when it says none. */
  readonly modelPath: string | null;
  /** Paths of its own, beside those that are always there. */
  readonly healthRoute: string | null;
  readonly predictRoute: string | null;
  /** Models come and go by calls below `/models`, from files below this directory. */
  readonly multiModelRoot: string | null;
  /** What SageMaker's batch transform is told it may send; null elsewhere. */
  readonly batch: BatchParameters | null;
}

interface BatchParameters {
  readonly MaxConcurrentTransforms: number;
  readonly BatchStrategy: string;
  readonly MaxPayloadInMB: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws USAGE when a variable makes no sense */
export function platformOf(name: PlatformName, env: Environment): Platform {
  const none = { name, host: '0.0.0.0', healthRoute: null, predictRoute: null, multiModelRoot: null, batch: null };
  switch (name) {
    case 'sagemaker': {
      const multiModel = env['SAGEMAKER_MULTI_MODEL']?.toLowerCase() === 'true';
      return {
        ...none,
        port: portOf(env, 'SAGEMAKER_BIND_TO_PORT', 8080),
        modelPath: multiModel ? null : '/opt/ml/model',
        multiModelRoot: multiModel ? '/opt/ml/models' : null,
        batch: {
          MaxConcurrentTransforms: wholeOf(env, 'SAGEMAKER_MAX_CONCURRENT_TRANSFORMS', 8),
          BatchStrategy: env['SAGEMAKER_BATCH_STRATEGY'] ?? 'MULTI_RECORD',
          MaxPayloadInMB: wholeOf(env, 'SAGEMAKER_MAX_PAYLOAD_IN_MB', 6),
        },
      };
    }
    case 'vertex': {
      const { AIP_ENDPOINT_ID: endpoint, AIP_DEPLOYED_MODEL_ID: deployed } = env;
      const standard =
        endpoint === undefined || deployed === undefined
          ? null
          : `/v1/endpoints/${endpoint}/deployedModels/${deployed}`;
      return {
        ...none,
        port: portOf(env, 'AIP_HTTP_PORT', 8080),
        modelPath: localPath(env['AIP_STORAGE_URI']),
        healthRoute: routeOf(env, 'AIP_HEALTH_ROUTE', standard),
        predictRoute: routeOf(env, 'AIP_PREDICT_ROUTE', standard === null ? null : `${standard}:predict`),
      };
    }
    case 'azureml':
      return {
        ...none,
        port: portOf(env, 'AZUREML_INFERENCE_SERVER_PORT', 5001),
        modelPath: env['AZUREML_MODEL_DIR'] ?? null,
      };
  }
}

/**
 * What to serve from the directory that a platform unpacked a model into. People archive a release, a tree of versions, a
 * repository of models, or just the file.
 * @throws FILE_NOT_FOUND, USAGE when it is none of these
 */
export function findModels(
  directory: string,
): { readonly models: { name: string; path: string }[] } | { readonly repository: string } {
  if (!existsSync(directory)) throw fail('FILE_NOT_FOUND', { path: directory });
  const one = (at: string): { models: { name: string; path: string }[] } => ({ models: [{ name: 'model', path: at }] });
  if (directory.endsWith('.onnx')) return one(directory);
  const entries = readdirSync(directory, { withFileTypes: true });
  if (entries.some((entry) => entry.name === 'slipway.json')) return one(directory);
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.onnx'));
  if (files.length === 1) return one(path.join(directory, files[0]?.name ?? ''));
  const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
  if (files.length === 0 && folders.some(({ name }) => /^\d+$/.test(name))) return one(directory);
  if (files.length === 0 && folders.length === 1) return findModels(path.join(directory, folders[0]?.name ?? ''));
  if (files.length === 0 && folders.length > 0) return { repository: directory };
  const found = files.length === 0 ? 'nothing that could be a model' : `${files.length} .onnx files`;
  throw fail('USAGE', {
    problem: `${directory} holds ${found}; put one .onnx file there, a release, numbered versions, or a directory per model`,
  });
}

function portOf(env: Environment, variable: string, otherwise: number): number {
  const port = wholeOf(env, variable, otherwise);
  if (port > 65535) throw fail('USAGE', { problem: `${variable} is ${port}, which is not a port` });
  return port;
}

function wholeOf(env: Environment, variable: string, otherwise: number): number {
  const text = env[variable];
  if (text === undefined || text === '') return otherwise;
  if (!/^\d{1,9}$/.test(text)) {
    throw fail('USAGE', { problem: `${variable} is "${text.slice(0, 40)}", not a whole number` });
  }
  return Number(text);
}

function routeOf(env: Environment, variable: string, otherwise: string | null): string | null {
  const text = env[variable];
  if (text === undefined || text === '') return otherwise;
  if (!/^\/[\w\-./:]*$/.test(text)) {
    throw fail('USAGE', { problem: `${variable} is "${text.slice(0, 100)}", not a path` });
  }
  return text;
}

function localPath(uri: string | undefined): string | null {
  if (uri === undefined || uri === '') return null;
  if (path.isAbsolute(uri)) return uri;
  throw fail('USAGE', {
    problem: `AIP_STORAGE_URI is ${uri.slice(0, 200)}, which this server does not fetch; put the model into the image, or mount the bucket and give its path with --model`,
  });
}
