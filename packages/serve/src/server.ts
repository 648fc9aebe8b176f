/**
 * The server: sources, catalog, protocols and two listeners, put together. It listens at once, so that health can be
 * asked while models load, and says through `ready` when there is something to ask.
 */
import { asSlipwayError, type ServerStatus, type SlipwayError, slipwayVersion } from '@slipway/core';
import { TransformPool } from '@slipway/transform';
import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';
import type { ModelControl } from './catalog/control.ts';
import { openCatalog } from './catalog/open.ts';
import { GrpcListener } from './grpc/listener.ts';
import { reflectionMethods } from './grpc/reflection.ts';
import { STATUS_CODE } from './grpc/status.ts';
import type { Router } from './http/exchange.ts';
import { HttpListener } from './http/listener.ts';
import { compileOptions, type ServeOptions } from './options.ts';
import { OpenapiRoutes } from './openapi/routes.ts';
import { Gateway } from './protocols/gateway.ts';
import { healthMethods } from './protocols/health.ts';
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
import { adminRouter, prometheusRoutes } from './telemetry/admin.ts';
import { MetricsPage } from './telemetry/metrics-page.ts';
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
  const models = await openCatalog(settings, transforms);
  const { catalog, control } = models;
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
  const metrics = new MetricsPage({ catalog, http, grpc: grpcStats, unrouted, triton: settings.tritonMetrics });
  const management = new Management(gateway);
  const protocols = [
    new KServeRoutes(gateway),
    new TensorFlowRoutes(gateway, settings.maxBodyBytes, () => clock.wall()),
    new InferenceRoutes(inference),
    new PlainRoutes(gateway),
    new OpenapiRoutes(catalog, version),
    ...(settings.metricsOnRestPort ? [prometheusRoutes(metrics)] : []),
  ];
  const invocations = new InvocationRoutes(gateway, settings.platform, protocolRouter(protocols));
  const restListener = listener(
    settings.host,
    settings.restPort,
    protocolRouter([...protocols, invocations, new TorchServeRoutes(gateway, management)]),
    tls,
  );
  let closing: Promise<void> | null = null;
  let listening: ServerStatus['listening'] = { http: null, grpc: null };
  const status = (): Promise<ServerStatus> =>
    serverStatus(catalog, { version, startedAt, draining: closing !== null, listening, clock });
  const adminListener = listener(
    settings.adminHost,
    settings.adminPort,
    adminRouter({ metrics, status, ready: () => catalog.ready && closing === null }),
    null,
  );

  const calls = {
    ...inferenceMethods(inference),
    ...tensorflowMethods(gateway, settings.maxBodyBytes),
    ...torchServeMethods(gateway, management),
    ...healthMethods(catalog, SERVICES, clock),
  };
  const openGrpc = (port: number): GrpcListener =>
    new GrpcListener({
      host: settings.host,
      port,
      tls,
      methods: { ...calls, ...reflectionMethods(calls) },
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
  listening = { http: rest.url, grpc: grpc?.url ?? null };
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
    await models.close();
    await gateway.close();
    await transforms.close();
    inference.memory.close();
    await tracer.close();
    await adminListener.close(0);
    tls?.close();
    await metrics.close();
    logger.info({ event: 'server.closed' }, 'closed');
  };
  return { rest, grpc, admin, ready, control, status, close: () => (closing ??= close()) };
}

/** At least two, so that one slow image does not hold up every text; few, because runners need the processors. */
const transformThreads = (): number => Math.min(4, Math.max(2, availableParallelism() >> 1));

function addressOf(host: string, { port }: AddressInfo): Address {
  const shown = host.includes(':') ? `[${host}]` : host;
  return { host, port, url: `http://${shown}:${port}` };
}
