/**
 * The metrics page, of which everything but the counts is made when it is first asked for: prom-client and its process metrics are
 * 7 MB and 50 ms of a start, and not every server is scraped. The counts run from the start, whoever looks.
 */
import type { Registry } from 'prom-client';
import type { MetricSources } from './metrics.ts';

export class MetricsPage {
  readonly #sources: MetricSources;
  #registry: Promise<Registry> | null = null;

  constructor(sources: MetricSources) {
    this.#sources = sources;
  }

  async write(): Promise<{ readonly contentType: string; readonly text: string }> {
    const registry = await (this.#registry ??= this.#open());
    return { contentType: registry.contentType, text: await registry.metrics() };
  }

  async #open(): Promise<Registry> {
    const { metricsRegistry } = await import('./metrics.ts');
    return metricsRegistry(this.#sources);
  }

  async close(): Promise<void> {
    (await this.#registry)?.clear();
  }
}
