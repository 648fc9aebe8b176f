/** The administration port: metrics, health and status. Never on the port of the protocols. */
import type { Registry } from 'prom-client';
import type { Endpoint, Exchange, Router } from '../http/exchange.ts';

/** Where TensorFlow Serving has its metrics by default, once they are configured. */
const PROMETHEUS_PATH = '/monitoring/prometheus/metrics';

/** The metrics at TensorFlow Serving's path, for the port of requests. */
export function prometheusRoutes(registry: Registry): { find(path: string): Endpoint | null } {
  const endpoint: Endpoint = {
    route: PROMETHEUS_PATH,
    methods: ['GET'],
    handle: (exchange) => writeMetrics(registry, exchange),
  };
  return { find: (path) => (path === PROMETHEUS_PATH ? endpoint : null) };
}

function writeMetrics(registry: Registry, exchange: Exchange): void {
  void registry.metrics().then(
    (text) => exchange.reply(200, registry.contentType, text),
    (error: unknown) => exchange.reply(500, 'text/plain', String(error)),
  );
}

export interface AdminPages {
  readonly registry: Registry;
  readonly ready: () => boolean;
  readonly status: () => Promise<unknown>;
}

export function adminRouter({ registry, ready, status }: AdminPages): Router {
  const endpoints = new Map<string, Endpoint>();
  const page = (path: string, handle: Endpoint['handle']): void => {
    endpoints.set(path, { route: path, methods: ['GET'], handle });
  };
  page('/metrics', (exchange) => writeMetrics(registry, exchange));
  page(PROMETHEUS_PATH, (exchange) => writeMetrics(registry, exchange));
  page('/healthz', (exchange) => exchange.reply(200, 'text/plain', 'ok\n'));
  page('/readyz', (exchange) => exchange.reply(ready() ? 200 : 503, 'text/plain', ready() ? 'ready\n' : 'not ready\n'));
  page('/status', (exchange) => {
    void status().then(
      (document) => exchange.reply(200, 'application/json', JSON.stringify(document)),
      (error: unknown) => exchange.reply(500, 'application/json', JSON.stringify({ error: String(error) })),
    );
  });
  return (path) => endpoints.get(path) ?? null;
}
