/** The administration port: metrics, health and status. Never on the port of the protocols. */
import type { Endpoint, Exchange, Router } from '../http/exchange.ts';
import type { MetricsPage } from './metrics-page.ts';

/** Where TensorFlow Serving has its metrics by default, once they are configured. */
const PROMETHEUS_PATH = '/monitoring/prometheus/metrics';

/** The metrics at TensorFlow Serving's path, for the port of requests. */
export function prometheusRoutes(metrics: MetricsPage): { find(path: string): Endpoint | null } {
  const endpoint: Endpoint = {
    route: PROMETHEUS_PATH,
    methods: ['GET'],
    handle: (exchange) => writeMetrics(metrics, exchange),
  };
  return { find: (path) => (path === PROMETHEUS_PATH ? endpoint : null) };
}

function writeMetrics(metrics: MetricsPage, exchange: Exchange): void {
  void metrics.write().then(
    ({ contentType, text }) => exchange.reply(200, contentType, text),
    (error: unknown) => exchange.reply(500, 'text/plain', String(error)),
  );
}

export interface AdminPages {
  readonly metrics: MetricsPage;
  readonly ready: () => boolean;
  readonly status: () => Promise<unknown>;
}

export function adminRouter({ metrics, ready, status }: AdminPages): Router {
  const endpoints = new Map<string, Endpoint>();
  const page = (path: string, handle: Endpoint['handle']): void => {
    endpoints.set(path, { route: path, methods: ['GET'], handle });
  };
  page('/metrics', (exchange) => writeMetrics(metrics, exchange));
  page(PROMETHEUS_PATH, (exchange) => writeMetrics(metrics, exchange));
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
