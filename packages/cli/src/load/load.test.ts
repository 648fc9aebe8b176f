import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { gaps } from './arrivals.ts';
import { Latencies } from './latencies.ts';
import { type LoadOptions, runLoad } from './load.ts';

const servers: Server[] = [];
afterEach(() => servers.splice(0).forEach((server) => void server.close()));

/** @param answer what to do with the request of this number */
async function serve(
  answer: (count: number) => { status: number; afterMs: number },
): Promise<{ url: URL; connections: () => number }> {
  let count = 0;
  let connections = 0;
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      const { status, afterMs } = answer(count++);
      setTimeout(() => response.writeHead(status).end(`{"error": "number ${count}"}`), afterMs);
    });
  }).on('connection', () => connections++);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), connections: () => connections };
}

const options = (url: URL, more: Partial<LoadOptions> = {}): LoadOptions => ({
  url,
  requests: [{ path: '/', headers: {}, body: Buffer.from('{}'), rows: 3 }],
  connections: 2,
  open: null,
  warmupMs: 0,
  durationMs: 150,
  timeoutMs: 1000,
  signal: new AbortController().signal,
  ...more,
});

describe('a closed loop', () => {
  it('keeps its connections and counts rows', async () => {
    const { url, connections } = await serve(() => ({ status: 200, afterMs: 0 }));
    const result = await runLoad(options(url));
    expect(result.requests).toBeGreaterThan(2);
    expect(result.rows).toBe(3 * result.requests);
    expect(result.outcomes).toEqual({ 200: result.requests });
    expect(connections()).toBe(2);
  });

  it('counts failures apart, and keeps the first reason', async () => {
    const { url } = await serve((count) => ({ status: count % 2 === 0 ? 200 : 429, afterMs: 0 }));
    const result = await runLoad(options(url));
    expect(result.failures).toBe(result.outcomes['429']);
    expect(result.latency).not.toBeNull();
    expect(result.firstFailure).toMatch(/^429: \{"error"/);
  });

  it('survives a server that is not there', async () => {
    const result = await runLoad(options(new URL('http://127.0.0.1:9')));
    expect(result).toMatchObject({ requests: 0, latency: null });
    expect(result.outcomes).toHaveProperty('ECONNREFUSED');
  });
});

describe('an open loop', () => {
  it('charges a stall to the requests that were due during it', async () => {
    // The first answer takes 120 ms and blocks the only connection, so that those due meanwhile wait for it.
    const { url } = await serve((count) => ({ status: 200, afterMs: count === 0 ? 120 : 0 }));
    const result = await runLoad(
      options(url, { connections: 1, open: { rate: 100, arrival: 'uniform' }, durationMs: 200 }),
    );
    expect(result.requests).toBe(19);
    expect(result.latency!.p50Ms).toBeGreaterThan(20);
  });
});

describe('arrivals', () => {
  const take = (count: number, ...args: Parameters<typeof gaps>): number[] => {
    const source = gaps(...args);
    return Array.from({ length: count }, () => source.next().value);
  };
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

  it('have the rate asked for', () => {
    expect(take(3, 200, 'uniform')).toEqual([5, 5, 5]);
    const poisson = take(20_000, 200, 'poisson');
    expect(mean(poisson)).toBeCloseTo(5, 0);
    // An exponential distribution: its deviation is its mean.
    expect(Math.sqrt(mean(poisson.map((gap) => (gap - 5) ** 2)))).toBeCloseTo(5, 0);
    expect(Math.min(...poisson)).toBeGreaterThanOrEqual(0);
  });

  it('are the same for the same seed', () => {
    expect(take(5, 10, 'poisson', 7)).toEqual(take(5, 10, 'poisson', 7));
    expect(take(5, 10, 'poisson', 7)).not.toEqual(take(5, 10, 'poisson', 8));
  });
});

describe('latencies', () => {
  it('are exact percentiles, by nearest rank', () => {
    const latencies = new Latencies();
    expect(latencies.summary()).toBeNull();
    for (let i = 20_000; i >= 1; i--) latencies.add(i);
    expect(latencies.summary()).toEqual({
      p50Ms: 10_000,
      p95Ms: 19_000,
      p99Ms: 19_800,
      p999Ms: 19_980,
      meanMs: 10_000.5,
      maxMs: 20_000,
    });
  });
});
