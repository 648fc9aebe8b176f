/**
 * The server: sources, catalog, protocols and two listeners, put together. It listens at once, so that health can be
 * asked while models load, and says through `ready` when there is something to ask.
 */
import { asSlipwayError, fail, type ServerStatus, type SlipwayError, slipwayVersion } from '@slipway/core';
import { allowedCpus, CorePool, cpuPlan, memoryLimit } from '@slipway/runtime';
import { TransformPool } from '@slipway/transform';
import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { availableParallelism, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { Catalog } from './catalog/catalog.ts';
import type { ModelControl } from './catalog/control.ts';
import { Controller } from './catalog/controller.ts';
import { entriesSource } from './catalog/entries-source.ts';
import { MemoryLedger } from './catalog/memory.ts';
import { readBounded } from './catalog/model-tree.ts';
import { awaitedSource, pathSource } from './catalog/path-source.ts';
import { readBatchingParameters, readModelsConfig } from './catalog/readers/tensorflow.ts';
import { repositorySource } from './catalog/repository-source.ts';
import { mergeSettings, type ModelEntry, type ModelSettings } from './catalog/settings.ts';
import type { Source } from './catalog/source.ts';
import { storeSource } from './catalog/store-source.ts';
import { LoadedVersion } from './catalog/version.ts';
import { Wishes } from './catalog/wishes.ts';
import { GrpcListener } from './grpc/listener.ts';
import { REFLECTION_SERVICES, reflectionMethods } from './grpc/reflection.ts';
import { STATUS_CODE } from './grpc/status.ts';
import type { Router } from './http/exchange.ts';
import { HttpListener } from './http/listener.ts';
import { compileOptions, type ServeOptions, type ServeSettings } from './options.ts';
import { OpenapiRoutes } from './openapi/routes.ts';
import { Gateway } from './protocols/gateway.ts';
import { HEALTH_SERVICE, healthMethods } from './protocols/health.ts';
import { inferenceContext } from './protocols/inference/context.ts';
import { INFERENCE_SERVICE, inferenceMethods } from './protocols/inference/grpc.ts';
import { InferenceRoutes } from './protocols/inference/routes.ts';
import { KServeRoutes } from './protocols/kserve/routes.ts';
import { PlainRoutes } from './protocols/plain/predict.ts';
import { InvocationRoutes } from './protocols/invocations/routes.ts';
import { protocolRouter } from './protocols/router.ts';
import { TORCHSERVE_INFERENCE, TORCHSERVE_MANAGEMENT, torchServeMethods } from './protocols/torchserve/grpc.ts';
import { Management } from './protocols/torchserve/management.ts';
import { TorchServeRoutes } from './protocols/torchserve/routes.ts';
import { MODEL_SERVICE, PREDICTION_SERVICE, tensorflowMethods } from './protocols/tensorflow/grpc.ts';
import { TensorFlowRoutes } from './protocols/tensorflow/routes.ts';
import { PBTXT_LIMITS } from './pbtxt/parse.ts';
import { adminRouter, prometheusRoutes } from './telemetry/admin.ts';
import { metricsRegistry } from './telemetry/metrics.ts';
import { FrontStats, UnroutedStats } from './telemetry/stats.ts';
import { serverStatus } from './telemetry/status.ts';
import { TlsIdentity } from './tls.ts';
import { Tracer } from './telemetry/tracer.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
  /** `http://host:port`, or `https://…` with TLS. */
  readonly url: string;
}

export interface RunningServer {
  readonly rest: Address;
  /** null when there is none; its `url` is `host:port`, as gRPC clients take it. */
  readonly grpc: Address | null;
  readonly admin: Address;
  /** Resolves when what was found at the start is loaded or has failed; rejects with the reason when nothing was loaded. */
  readonly ready: Promise<void>;
  /** What the protocols use to load and unload models. */
  readonly control: ModelControl;
  status(): Promise<ServerStatus>;
  /** Stop accepting, answer what is under way, end the runners. Safe to call twice. */
  close(): Promise<void>;
}

/** Of models; health is asked of each. */
const SERVICES = [INFERENCE_SERVICE, PREDICTION_SERVICE, MODEL_SERVICE, TORCHSERVE_INFERENCE, TORCHSERVE_MANAGEMENT];

/** A model nobody serves must not become a label: the client chooses its name. */
const UNKNOWN_MODEL = '_unknown';

/** @throws USAGE, FILE_NOT_FOUND, MODEL_FORMAT, TLS_INVALID, PORT_IN_USE */
export async function startServer(options: ServeOptions): Promise<RunningServer> {
  const settings = compileOptions(options);
  const { clock, logger } = settings;
  const startedAt = clock.now();
  const tls =
    settings.tls === null ? null : await TlsIdentity.open(settings.tls, clock, logger, settings.pollIntervalMs);
  const transforms = new TransformPool({ threads: transformThreads(), clock });
  const { catalog, control } = await openCatalog(settings, transforms);
  const http = new FrontStats();
  const grpcStats = new FrontStats();
  const unrouted = new UnroutedStats();
  const onDefect = (error: SlipwayError, request: { readonly id: string }): void => {
    logger.error({ event: 'request.defect', request_id: request.id, err: error.cause ?? error }, error.message);
  };
  const tracer = new Tracer({
    path: settings.traceFile,
    clock,
    onError: (error) => logger.error({ event: 'trace.failed', err: error }, 'traces cannot be written'),
  });
  const gateway = new Gateway({
    models: catalog,
    control,
    tracer,
    clock,
    timeoutMs: settings.requestTimeoutMs,
    onDefect,
    unrouted: (model, error) =>
      unrouted.count(
        catalog.models.has(model) ? model : UNKNOWN_MODEL,
        error.httpStatus === 503 ? 'unavailable' : 'client_error',
      ),
  });
  const version = slipwayVersion();
  const listener = (host: string, port: number, router: Router, secure: TlsIdentity | null): HttpListener =>
    new HttpListener({
      tls: secure,
      host,
      port,
      router,
      maxBodyBytes: settings.maxBodyBytes,
      maxConnections: settings.maxConnections,
      maxConnectionsPerAddress: settings.maxConnectionsPerAddress,
      headersTimeoutMs: settings.headersTimeoutMs,
      requestTimeoutMs: settings.receiveTimeoutMs,
      idleTimeoutMs: settings.requestTimeoutMs + 90_000,
      writeTimeoutMs: settings.writeTimeoutMs,
      idPrefix: randomBytes(4).toString('hex'),
      observe: (route, method, status, seconds, requestId) => {
        http.observe(route, method, status, seconds);
        // The access log: what a client gets 5xx for is worth a line, the rest only to who asks for it.
        const level = status >= 500 && status !== 503 ? 'warn' : 'debug';
        if (!logger.isLevelEnabled(level)) return;
        logger[level](
          {
            event: 'request',
            request_id: requestId,
            http: { method, route, status_code: status },
            duration_ms: seconds * 1000,
          },
          'request',
        );
      },
      onDefect,
    });
  const inference = inferenceContext({
    gateway,
    version,
    allowClientShm: settings.allowClientShm,
    allowClientSettings: settings.allowClientSettings,
    logger,
    maxBodyBytes: settings.maxBodyBytes,
  });
  const registry = metricsRegistry({ catalog, http, grpc: grpcStats, unrouted, triton: settings.tritonMetrics });
  const management = new Management(gateway);
  const protocols = [
    new KServeRoutes(gateway),
    new TensorFlowRoutes(gateway, settings.maxBodyBytes, () => clock.wall()),
    new InferenceRoutes(inference),
    new PlainRoutes(gateway),
    new OpenapiRoutes(catalog, version),
    ...(settings.metricsOnRestPort ? [prometheusRoutes(registry)] : []),
  ];
  const invocations = new InvocationRoutes(gateway, settings.platform, protocolRouter(protocols));
  const restListener = listener(
    settings.host,
    settings.restPort,
    protocolRouter([...protocols, invocations, new TorchServeRoutes(gateway, management)]),
    tls,
  );
  let closing: Promise<void> | null = null;
  const status = (): Promise<ServerStatus> =>
    serverStatus(catalog, { version, startedAt, draining: closing !== null, clock });
  const adminListener = listener(
    settings.adminHost,
    settings.adminPort,
    adminRouter({ registry, status, ready: () => catalog.ready && closing === null }),
    null,
  );

  const openGrpc = (port: number): GrpcListener =>
    new GrpcListener({
      host: settings.host,
      port,
      tls,
      methods: {
        ...inferenceMethods(inference),
        ...tensorflowMethods(gateway, settings.maxBodyBytes),
        ...torchServeMethods(gateway, management),
        ...healthMethods(catalog, SERVICES, clock),
        ...reflectionMethods([...SERVICES, HEALTH_SERVICE, ...REFLECTION_SERVICES]),
      },
      maxMessageBytes: settings.maxBodyBytes,
      maxConnections: settings.maxConnections,
      maxConnectionsPerAddress: settings.maxConnectionsPerAddress,
      preludeTimeoutMs: settings.headersTimeoutMs,
      receiveTimeoutMs: settings.receiveTimeoutMs,
      idPrefix: randomBytes(4).toString('hex'),
      observe: (method, status, seconds, requestId) => {
        grpcStats.observe(method, 'POST', STATUS_CODE[status], seconds);
        const level = status === 'INTERNAL' ? 'warn' : 'debug';
        if (!logger.isLevelEnabled(level)) return;
        logger[level](
          { event: 'request', request_id: requestId, grpc: { method, status }, duration_ms: seconds * 1000 },
          'request',
        );
      },
      onDefect,
    });
  const grpcListener = settings.grpcPort === null ? null : openGrpc(settings.grpcPort);

  const opened: { close(graceMs: number): Promise<void> }[] = [];
  const open = async (host: string, of: HttpListener | GrpcListener): Promise<Address> => {
    try {
      const address = addressOf(host, await of.listen());
      opened.push(of);
      return address;
    } catch (error) {
      await Promise.all(opened.map((other) => other.close(0)));
      tls?.close();
      throw error;
    }
  };
  const plainRest = await open(settings.host, restListener);
  const rest = tls === null ? plainRest : { ...plainRest, url: plainRest.url.replace('http:', 'https:') };
  const admin = await open(settings.adminHost, adminListener);
  let grpc: Address | null = null;
  if (grpcListener !== null) {
    const address = await open(settings.host, grpcListener);
    grpc = { ...address, url: address.url.replace('http://', '') };
  }
  logger.info(
    { event: 'server.listening', rest: rest.url, grpc: grpc?.url ?? null, admin: admin.url },
    `listening on ${rest.url}`,
  );

  const ready = catalog.start().then(() => {
    if (catalog.startFailure !== null) throw catalog.startFailure;
  });
  // Whoever does not wait for it sees the reason in the log and in the status.
  ready.catch((error: unknown) => {
    logger.error({ event: 'server.nothing_loaded' }, asSlipwayError(error).message);
  });
  const close = async (): Promise<void> => {
    logger.info({ event: 'server.draining' }, 'draining');
    catalog.stopAccepting();
    await Promise.all([restListener.close(settings.drainTimeoutMs), grpcListener?.close(settings.drainTimeoutMs)]);
    await catalog.close(settings.drainTimeoutMs);
    await gateway.close();
    await transforms.close();
    inference.memory.close();
    await tracer.close();
    await adminListener.close(0);
    tls?.close();
    registry.clear();
    logger.info({ event: 'server.closed' }, 'closed');
  };
  return { rest, grpc, admin, ready, control, status, close: () => (closing ??= close()) };
}

async function openCatalog(
  settings: ServeSettings,
  transforms: TransformPool,
): Promise<{ catalog: Catalog; control: ModelControl }> {
  const { clock, logger, modelControl: mode } = settings;
  const places = { settleMs: settings.settleMs, wall: () => clock.wall() };
  const open = ({ name, path }: { readonly name: string; readonly path: string }): Promise<Source> =>
    pathSource(name, path, places);
  const sources = await Promise.all(settings.models.map(open));
  for (const directory of settings.modelRepositories) {
    sources.push(repositorySource(directory, places.settleMs, places.wall));
  }
  if (settings.modelConfigFile !== null) {
    const file = resolve(settings.modelConfigFile);
    const read = (content: Buffer): ReturnType<typeof readModelsConfig> => readModelsConfig(content, file);
    const openEntry = ({ name, path = '' }: ModelEntry): Source => awaitedSource(name, path, places);
    sources.push(entriesSource({ file, read, open: openEntry, clock }));
  }
  if (settings.store !== null) sources.push(storeSource(settings.store));
  // What is named one by one is asked for by that.
  const wishes = new Wishes(mode, [...settings.models.map(({ name }) => name), ...settings.loadModels]);
  const cores = new CorePool(allowedCpus());
  const catalog: Catalog = new Catalog({
    sources,
    memory: memoryLedger(settings.memoryBudgetBytes, () =>
      [...catalog.models.values()].flatMap((model) => [...model.open()]),
    ),
    swap: settings.swap,
    load: ({ candidate, settings: ofModel, expects, models, onFailed }) => {
      const plan = cpuPlan({ models: models * (ofModel.instances ?? 1) });
      return LoadedVersion.open(candidate, {
        settings: ofModel,
        expects,
        threads: plan.threads,
        cores,
        transforms,
        clock,
        logger,
        onFailed,
      });
    },
    mode,
    wishes,
    settings: mergeSettings(await sharedSettings(settings), settings.settings),
    pollIntervalMs: settings.pollIntervalMs,
    drainTimeoutMs: settings.requestTimeoutMs,
    clock,
    logger,
  });
  const allowed = mode === 'explicit';
  return {
    catalog,
    control: new Controller({
      catalog,
      wishes,
      allowed,
      roots: [...settings.modelRoots, ...settings.modelRepositories],
      open,
    }),
  };
}

/** Of what a machine without a control group has, the part that is ours when nobody says. */
const SHARE_OF_MACHINE = 0.9;

function memoryLedger(budgetBytes: number | null, open: () => readonly LoadedVersion[]): MemoryLedger {
  return new MemoryLedger({
    budgetBytes: budgetBytes ?? memoryLimit() ?? totalmem() * SHARE_OF_MACHINE,
    used: async () => {
      const each = await Promise.all(open().map((loaded) => loaded.memoryBytes()));
      return each.reduce((sum, bytes) => sum + bytes, process.memoryUsage.rss());
    },
    // A budget that somebody gave counts alone; otherwise others live on this machine too.
    available: () => (budgetBytes === null ? process.availableMemory() : Infinity),
  });
}

/** What TensorFlow Serving's file says of the batches of every model. @throws SERVING_CONFIG_INVALID, FILE_NOT_FOUND */
async function sharedSettings({ batchingParametersFile: file, logger }: ServeSettings): Promise<ModelSettings> {
  if (file === null) return {};
  const content = await readBounded(file, PBTXT_LIMITS.bytes);
  if (content === null) throw fail('FILE_NOT_FOUND', { path: file });
  const { batching, warnings } = readBatchingParameters(content, file);
  for (const warning of warnings) logger.warn({ event: 'source.problem' }, warning);
  return { batching };
}

/** At least two, so that one slow image does not hold up every text; few, because runners need the processors. */
const transformThreads = (): number => Math.min(4, Math.max(2, availableParallelism() >> 1));

function addressOf(host: string, { port }: AddressInfo): Address {
  const shown = host.includes(':') ? `[${host}]` : host;
  return { host, port, url: `http://${shown}:${port}` };
}
