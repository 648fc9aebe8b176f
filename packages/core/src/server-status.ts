/** What a running server says of itself: `GET /status` of its administration address. `serve` writes it, others read it. */

/** Where a model version is in its life. It only moves to the right, or to `failed`. */
export type VersionState = 'loading' | 'ready' | 'draining' | 'failed' | 'gone';

export interface RunnerStatus {
  readonly pid: number;
  readonly rssBytes: number | null;
}

export interface ServedVersionStatus {
  readonly version: number;
  readonly state: VersionState;
  /** Why it is not ready. */
  readonly reason: string | null;
  readonly digest: string | null;
  readonly labels: readonly string[];
  readonly runners: readonly RunnerStatus[];
  readonly restarts: number;
  readonly pendingRequests: number;
  readonly queuedRows: number;
  /** Count by outcome: ok, client_error, rejected, timeout … */
  readonly requests: Readonly<Record<string, number>>;
  readonly loadSeconds: number | null;
}

export interface ServedModelStatus {
  readonly name: string;
  /** Why its source or its configuration cannot be used; null when they can. */
  readonly problem: string | null;
  readonly versions: readonly ServedVersionStatus[];
}

export interface ServerStatus {
  readonly name: 'slipway';
  readonly version: string;
  readonly ready: boolean;
  readonly draining: boolean;
  readonly uptimeSeconds: number;
  readonly pid: number;
  readonly rssBytes: number;
  /** What all processes together may occupy. */
  readonly memoryBudgetBytes: number;
  /** Where requests are taken: over HTTP a URL, over gRPC `host:port`; null when there is none, or not yet. */
  readonly listening: { readonly http: string | null; readonly grpc: string | null };
  readonly models: readonly ServedModelStatus[];
}
