import { existsSync } from 'node:fs';
import path from 'node:path';
import { createLogger, EXIT, fail, LOG_LEVELS, openStore } from '@slipway/core';
import type { RunningServer, ServeOptions, TlsFiles } from '@slipway/serve';
import { describeModel } from '../client/server.ts';
import { isAddress, namedPaths } from '../client/subject.ts';
import type { Context } from '../frame/context.ts';
import {
  choice,
  defineVerb,
  duration,
  flag,
  port,
  portOrNone,
  size,
  text,
  texts,
  type Verb,
  whole,
  withDefault,
} from '../frame/declare.ts';
import { findConfig, storeDirectory } from '../project.ts';
import { banner, curlLines, plainLines, type Serving } from '../render/banner.ts';
import * as shared from './shared.ts';

export const serve: Verb = defineVerb({
  name: 'serve',
  group: 'Serve it',
  summary: 'answer requests: every release in the store, or models you name',
  description:
    'Serves over TensorFlow Serving, the Open Inference Protocol (Triton, KServe) and TorchServe, each REST and gRPC, SageMaker, Vertex AI, Azure ML and MLflow, and POST /predict. Requests are batched when runners are busy. A new release or version directory is loaded before the old one is drained. SIGTERM and Ctrl-C answer what is under way, then stop; the second signal stops at once.',
  arguments: {},
  options: {
    model: shared.model,
    modelRepository: texts(
      'directory',
      'Serve every model in this directory, as Triton and TensorFlow Serving lay them out: MODEL/config.pbtxt, MODEL/1/model.onnx. Repeatable.',
      'directory',
    ),
    serveConfig: text('file', 'Serve the models that this file lists, each with its settings (JSON).', 'file'),
    modelConfigFile: text('file', "Serve the models that TensorFlow Serving's models.config lists.", 'file'),
    batchingParametersFile: text(
      'file',
      "Batch as TensorFlow Serving's batching parameters say, where nothing else does.",
      'file',
    ),
    modelControl: withDefault(
      choice(
        ['poll', 'explicit', 'none'],
        'Who decides which models are served: the sources, looked at again and again; clients, over the network; or the sources as they are at the start.',
      ),
      'poll',
    ),
    loadModel: texts(
      'name',
      'With --model-control explicit: load this model of the store at the start; * for all. Repeatable.',
    ),
    modelRoot: texts(
      'directory',
      'With --model-control explicit: clients may load from paths below this directory, and relative paths are meant from it. Repeatable.',
      'directory',
    ),
    platform: choice(
      ['sagemaker', 'vertex', 'azureml'],
      'Run as a container of Amazon SageMaker, Vertex AI or Azure Machine Learning: listen where, load what and answer on the routes that the variables of the platform say.',
    ),
    port: port('Port for requests over HTTP; 0 picks a free one. Default: as the platform says, or 8501.'),
    grpcPort: portOrNone('Port for requests over gRPC; 0 picks a free one. Default: none on a platform, or 8500.'),
    host: text(
      'address',
      'Address to listen on; 0.0.0.0 for every interface. Default: 0.0.0.0 on a platform, or 127.0.0.1.',
    ),
    adminPort: withDefault(port('Port for /status and /metrics; 0 picks a free one.'), '8502'),
    adminHost: withDefault(text('address', 'Address for administration.'), '127.0.0.1'),
    stateDir: text(
      'directory',
      'Keep models and labels that clients asked for, and what is downloaded, in this directory across restarts.',
      'directory',
    ),
    swap: withDefault(
      choice(
        ['availability', 'resource', 'auto'],
        'How a version takes the place of another: loaded beside it, after it, or beside it where both fit into memory.',
      ),
      'availability',
    ),
    memoryBudget: size(
      'Memory of all processes together. A model that is idle makes room, and is loaded again when asked for. Default: what the control group or the machine has.',
    ),
    threads: whole('Threads per runner. Default: the cores of this machine, shared between the models.', {
      min: 1,
      max: 1024,
    }),
    runners: whole('Runner processes per model version. Default 1.', { min: 1, max: 256 }),
    pin: flag('Give each runner cores of its own (Linux, with the program taskset).'),
    executionProvider: text('name', 'What ONNX Runtime computes on, for example cpu. Default: the CPU.'),
    maxBatchSize: whole('Rows in one call to a runner, at most. Default: as the release says, or 64.', { min: 1 }),
    latencyBudget: duration('How long a batch may take because of batching. Default: as the release says, or 50ms.'),
    maxDelay: duration('How long a batch may wait for more requests although a runner is free. Default: not at all.'),
    priorityLevels: whole('Priorities a request can have, 1 the highest; the middle one is the default. Default 1.', {
      min: 1,
      max: 100,
    }),
    maxQueueRows: whole('Rows that may wait, per model. Default: as the release says, or 4096.', { min: 1 }),
    maxBodyBytes: whole('Largest request body. Default 64 MiB.', { min: 1 }, 'bytes'),
    maxConnectionsPerAddress: whole('Connections one client address may have open. Default: no limit.', { min: 1 }),
    requestTimeout: duration('How long a request may take. Default 30s.'),
    writeTimeout: duration('How long a client may read nothing of its answer. Default 30s.'),
    drainTimeout: duration('How long to wait for requests under way when stopping. Default 25s.'),
    tensorsOnly: flag('Take and give the tensors of the models, without the transforms that releases declare.'),
    allowClientShm: flag('Let clients on this machine pass tensors in shared memory, as Triton does with its option.'),
    tritonMetrics: flag('Show metrics also under the names that Triton uses (nv_inference_*).'),
    traceFile: text('file', 'Write traces here, of the requests that clients ask to be traced.'),
    allowClientSettings: flag('Let clients change what the server logs and traces.'),
    tlsCert: text(
      'file',
      'Speak TLS on the ports for requests, with this certificate and its chain (PEM). Read again when it changes.',
      'file',
    ),
    tlsKey: text('file', 'The private key of --tls-cert (PEM, without a passphrase).', 'file'),
    tlsClientCa: text('file', 'Take only clients that show a certificate of one of these authorities (PEM).', 'file'),
    metricsOnPort: flag(
      'Metrics also at /monitoring/prometheus/metrics of the port for requests, where TensorFlow Serving has them.',
    ),
    logLevel: choice(LOG_LEVELS, 'Default: info, and warn on a terminal. Logs are JSON lines on stderr.'),
    store: shared.store,
    config: shared.config,
  },
  examples: [
    { command: 'slipway serve', description: 'every release in the store of this project' },
    { command: 'slipway serve --model resnet=./resnet50.onnx --port 9000', description: 'an ONNX file' },
    {
      command: 'slipway serve --model half=/models/half_plus_two --host 0.0.0.0',
      description: 'numbered versions, as TensorFlow Serving lays them out',
    },
  ],
  // The server bounds its own draining; this only ends one that does not.
  graceMs: 120_000,
  async run(context, given) {
    const { findModels, platformOf, startServer } = await import('@slipway/serve');
    const at = (file: string): string => (isAddress(file) ? file : path.resolve(context.cwd, file));
    const models = [...namedPaths(context, given.model)].map(([name, file]) => ({ name, path: file }));
    const modelRepositories = given.modelRepository.map(at);
    let named =
      models.length > 0 || modelRepositories.length > 0 || (given.modelConfigFile ?? given.serveConfig) !== undefined;
    const platform = given.platform === undefined ? null : platformOf(given.platform, context.env);
    const multiModelRoot = platform?.multiModelRoot ?? null;
    if (platform !== null && !named && given.store === undefined) {
      named = platform.modelPath !== null || multiModelRoot !== null;
      const found = platform.modelPath === null ? { models: [] } : findModels(platform.modelPath);
      if ('models' in found) models.push(...found.models);
      else modelRepositories.push(found.repository);
    }
    const options: ServeOptions = {
      ...(named ? { models } : { store: await openStore(await storeDirectory(context, given)) }),
      modelRepositories,
      ...listening(given, platform),
      platform,
      adminPort: given.adminPort,
      adminHost: given.adminHost,
      swap: given.swap,
      // The calls by which models come and go are what the platform asks of a container with many.
      modelControl: multiModelRoot === null ? given.modelControl : 'explicit',
      loadModels: given.loadModel,
      modelRoots: [...given.modelRoot.map(at), ...(multiModelRoot === null ? [] : [multiModelRoot])],
      ...present({
        servingConfigFile: given.serveConfig === undefined ? undefined : at(given.serveConfig),
        modelConfigFile: given.modelConfigFile === undefined ? undefined : at(given.modelConfigFile),
        batchingParametersFile:
          given.batchingParametersFile === undefined ? undefined : at(given.batchingParametersFile),
        memoryBudgetBytes: given.memoryBudget,
        stateDirectory: given.stateDir === undefined ? undefined : at(given.stateDir),
        threads: given.threads,
        traceFile: given.traceFile === undefined ? undefined : path.resolve(context.cwd, given.traceFile),
        runners: given.runners,
        pinRunners: given.pin ? true : undefined,
        executionProviders: given.executionProvider === undefined ? undefined : [given.executionProvider],
        priorityLevels: given.priorityLevels,
        maxBodyBytes: given.maxBodyBytes,
        maxConnectionsPerAddress: given.maxConnectionsPerAddress,
        requestTimeoutMs: given.requestTimeout,
        writeTimeoutMs: given.writeTimeout,
        drainTimeoutMs: given.drainTimeout,
      }),
      transforms: !given.tensorsOnly,
      allowClientShm: given.allowClientShm,
      tritonMetrics: given.tritonMetrics,
      tls: tlsFiles(given),
      metricsOnRestPort: given.metricsOnPort,
      allowClientSettings: given.allowClientSettings,
      batching: present({
        maxBatchSize: given.maxBatchSize,
        latencyBudgetMs: given.latencyBudget,
        maxDelayMs: given.maxDelay,
        maxQueueRows: given.maxQueueRows,
      }),
      logger: createLogger(given.logLevel ?? (context.interactive ? 'warn' : 'info')),
    };
    const server = await startServer(options);
    const stopped = new Promise<void>((resolve) => {
      if (context.signal.aborted) resolve();
      context.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    try {
      context.progress('Loading models');
      await Promise.race([server.ready, stopped]);
      if (!context.signal.aborted) {
        const serving = await describeServing(server);
        const curl = context.interactive ? await tryLines(context, serving, given.config) : [];
        context.result({ pid: process.pid, ...serving }, (style) =>
          context.interactive ? banner(serving, curl, style) : plainLines(serving),
        );
        await stopped;
        if (context.interactive) context.note('\nStopping: answering what is under way …');
      }
    } finally {
      await server.close();
    }
    return context.signal.reason === 'SIGINT' ? EXIT.interrupted : EXIT.ok;
  },
});

/** What was given wins over what the platform says. */
function listening(
  given: { host: string | undefined; port: number | undefined; grpcPort: number | 'none' | undefined },
  platform: (Pick<ServeOptions, 'host'> & { readonly port: number }) | null,
): Pick<ServeOptions, 'host' | 'restPort' | 'grpcPort'> {
  const {
    host = platform?.host,
    port: restPort = platform?.port,
    grpcPort = platform === null ? undefined : 'none',
  } = given;
  return {
    ...present({ host, restPort }),
    ...(grpcPort === undefined ? {} : { grpcPort: grpcPort === 'none' ? null : grpcPort }),
  };
}

/** @throws USAGE for one of the files without the other */
function tlsFiles(given: {
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly tlsClientCa: string | undefined;
}): TlsFiles | null {
  const { tlsCert: certFile, tlsKey: keyFile, tlsClientCa: clientCaFile } = given;
  if (certFile !== undefined && keyFile !== undefined) {
    return { certFile, keyFile, ...(clientCaFile === undefined ? {} : { clientCaFile }) };
  }
  if (certFile === undefined && keyFile === undefined && clientCaFile === undefined) return null;
  throw fail('USAGE', { problem: 'TLS needs both --tls-cert and --tls-key' });
}

async function describeServing(server: RunningServer): Promise<Serving> {
  const { models } = await server.status();
  return {
    url: server.rest.url,
    grpcAddress: server.grpc?.url ?? null,
    adminUrl: server.admin.url,
    models: models.flatMap(({ name, versions }) =>
      versions.map(({ version, state, reason }) => ({ name, version, state, reason })),
    ),
  };
}

/** For the first model that is ready; a sample.json beside the config or here is taken to fit it. */
async function tryLines(context: Context, serving: Serving, config: string | undefined): Promise<string[]> {
  const model = serving.models.find((candidate) => candidate.state === 'ready');
  // Over TLS a line that works needs the authority of the certificate, which is not known here.
  if (model === undefined || serving.url.startsWith('https:')) return [];
  const { signature } = await describeModel(serving.url, model.name, context.signal);
  const file = config === undefined ? findConfig(context.cwd) : path.resolve(context.cwd, config);
  const samples = [context.cwd, ...(file === null ? [] : [path.dirname(file)])].map((folder) =>
    path.join(folder, 'sample.json'),
  );
  const sample = samples.find((candidate) => existsSync(candidate)) ?? null;
  return curlLines({ url: serving.url, name: model.name, signature, cwd: context.cwd, sample });
}

/** The members that are given. */
function present<T extends Record<string, unknown>>(given: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as never;
}
