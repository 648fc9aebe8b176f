/**
 * The load generator behind `slipway bench`: keep-alive connections over node:http, in one of two loops.
 *
 * Closed: each connection sends its next request when it has the answer to the last; finds the highest throughput.
 * Open: requests are due at times drawn beforehand, whatever the server does; latency counts from when a request was due,
 * including the time it waited for a free connection, so that a stall is charged to every request it delayed.
 */
import { Agent, request as httpRequest, type RequestOptions } from 'node:http';
import { type Arrival, gaps } from './arrivals.ts';
import { Latencies, type LatencySummary } from './latencies.ts';

export interface PreparedRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly rows: number;
}

export interface LoadOptions {
  readonly url: URL;
  /** Sent in turn. At least one. */
  readonly requests: readonly PreparedRequest[];
  readonly connections: number;
  /** Requests per second of an open loop; null for a closed one. */
  readonly open: { readonly rate: number; readonly arrival: Arrival } | null;
  readonly warmupMs: number;
  readonly durationMs: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly onWarm?: () => Promise<void>;
}

export interface LoadResult {
  readonly seconds: number;
  /** Cores the generator itself kept busy. Near 1 it, and not the server, may be what bounds the rate: it has one thread. */
  readonly generatorCores: number;
  /** Answered with 2xx. */
  readonly requests: number;
  readonly rows: number;
  readonly failures: number;
  readonly requestsPerSecond: number;
  readonly rowsPerSecond: number;
  readonly latency: LatencySummary | null;
  /** Count by HTTP status, or by system error code. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** The first body that was not 2xx, cut to a line. */
  readonly firstFailure: string | null;
}

export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: options.connections, scheduling: 'fifo' });
  try {
    const loop = options.open === null ? closedLoop : openLoop;
    if (options.warmupMs > 0) await loop(options, agent, options.warmupMs, new Tally());
    await options.onWarm?.();
    const tally = new Tally();
    const startedAt = performance.now();
    const cpuBefore = process.cpuUsage();
    await loop(options, agent, options.durationMs, tally);
    const seconds = (performance.now() - startedAt) / 1000;
    const cpu = process.cpuUsage(cpuBefore);
    return tally.result(seconds, (cpu.user + cpu.system) / 1e6 / seconds);
  } finally {
    agent.destroy();
  }
}

class Tally {
  readonly latencies = new Latencies();
  readonly outcomes = new Map<string, number>();
  rows = 0;
  succeeded = 0;
  failed = 0;
  firstFailure: string | null = null;

  add(outcome: Outcome, milliseconds: number, rows: number): void {
    this.outcomes.set(outcome.name, (this.outcomes.get(outcome.name) ?? 0) + 1);
    if (outcome.failure === null) {
      this.latencies.add(milliseconds);
      this.rows += rows;
      this.succeeded++;
    } else {
      this.failed++;
      this.firstFailure ??= outcome.failure;
    }
  }

  result(seconds: number, generatorCores: number): LoadResult {
    return {
      seconds,
      generatorCores,
      requests: this.succeeded,
      rows: this.rows,
      failures: this.failed,
      requestsPerSecond: this.succeeded / seconds,
      rowsPerSecond: this.rows / seconds,
      latency: this.latencies.summary(),
      outcomes: Object.fromEntries([...this.outcomes].sort(([a], [b]) => (a < b ? -1 : 1))),
      firstFailure: this.firstFailure,
    };
  }
}

async function closedLoop(options: LoadOptions, agent: Agent, durationMs: number, tally: Tally): Promise<void> {
  const until = performance.now() + durationMs;
  const connection = async (offset: number): Promise<void> => {
    for (let turn = offset; performance.now() < until && !options.signal.aborted; turn += options.connections) {
      const prepared = pick(options.requests, turn);
      const sentAt = performance.now();
      const outcome = await send(options, agent, prepared);
      tally.add(outcome, performance.now() - sentAt, prepared.rows);
      // A server that is gone refuses at once: do not spin.
      if (outcome.unreachable) await pause(50);
    }
  };
  await Promise.all(Array.from({ length: options.connections }, (_, i) => connection(i)));
}

async function openLoop(options: LoadOptions, agent: Agent, durationMs: number, tally: Tally): Promise<void> {
  const { rate, arrival } = options.open ?? { rate: 1, arrival: 'uniform' };
  const schedule = gaps(rate, arrival);
  const pending = new Set<Promise<void>>();
  const startedAt = performance.now();
  const until = startedAt + durationMs;
  let dueAt = startedAt + schedule.next().value;
  for (let turn = 0; dueAt < until && !options.signal.aborted; turn++) {
    // Timers have millisecond steps: sleep through most of the wait, yield to the event loop for the rest.
    while (performance.now() < dueAt) await (dueAt - performance.now() > 2 ? pause(1) : immediately());
    const due = dueAt;
    const prepared = pick(options.requests, turn);
    const sent = send(options, agent, prepared).then((outcome) => {
      tally.add(outcome, performance.now() - due, prepared.rows);
      pending.delete(sent);
    });
    pending.add(sent);
    dueAt += schedule.next().value;
  }
  await Promise.all(pending);
}

interface Outcome {
  readonly name: string;
  /** null for 2xx. */
  readonly failure: string | null;
  readonly unreachable: boolean;
}

function send(options: LoadOptions, agent: Agent, prepared: PreparedRequest): Promise<Outcome> {
  const { url } = options;
  const target: RequestOptions = {
    agent,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 80 : url.port,
    method: 'POST',
    path: prepared.path,
    headers: { ...prepared.headers, 'content-length': prepared.body.length },
    timeout: options.timeoutMs,
  };
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException): void =>
      resolve({ name: error.code ?? error.message, failure: error.message, unreachable: true });
    const request = httpRequest(target, (response) => {
      const status = response.statusCode ?? 0;
      const name = String(status);
      const good = status >= 200 && status < 300;
      let body = '';
      if (good) response.resume();
      else response.setEncoding('utf8').on('data', (chunk: string) => (body += body.length < 500 ? chunk : ''));
      response.on('error', failed);
      response.on('end', () =>
        resolve({ name, failure: good ? null : oneLine(`${name}: ${body}`), unreachable: false }),
      );
    });
    request.on('error', failed);
    request.on('timeout', () => request.destroy(Object.assign(new Error('no answer in time'), { code: 'TIMEOUT' })));
    request.end(prepared.body);
  });
}

const pick = (requests: readonly PreparedRequest[], turn: number): PreparedRequest => {
  const prepared = requests[turn % requests.length];
  if (prepared === undefined) throw new RangeError('a load needs at least one request');
  return prepared;
};
const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim().slice(0, 200);
const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
const immediately = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
