/** HTTP load by wrk (Debian package `wrk`): closed loop over keep-alive connections, the same body every time. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface Load {
  readonly url: string;
  readonly body: Uint8Array | string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly seconds: number;
}

export interface LoadResult {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers that were not 2xx or 3xx, plus socket errors and timeouts. Anything but 0 makes the figure worthless. */
  readonly errors: number;
}

const SCRIPT = `
local file = io.open(os.getenv("WRK_BODY"), "rb")
wrk.method = "POST"
wrk.body = file:read("*a")
for name, value in string.gmatch(os.getenv("WRK_HEADERS"), "([^:\\n]+): ([^\\n]+)") do wrk.headers[name] = value end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('RESULT {"requestsPerSecond":%f,"p50Ms":%f,"p99Ms":%f,"errors":%d}\\n',
    summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status + e.timeout))
end
`;

export function hasWrk(): boolean {
  return spawnSync('wrk', ['--version']).error === undefined;
}

export function wrk(load: Load): LoadResult {
  const directory = mkdtempSync(path.join(tmpdir(), 'slipway-wrk-'));
  try {
    const script = path.join(directory, 'load.lua');
    const body = path.join(directory, 'body');
    writeFileSync(script, SCRIPT);
    writeFileSync(body, load.body);
    const headers = Object.entries(load.headers)
      .map(([name, value]) => `${name}: ${value}`)
      .join('\n');
    const run = spawnSync(
      'wrk',
      ['-t1', `-c${load.connections}`, `-d${load.seconds}s`, '--timeout', '30s', '-s', script, load.url],
      { encoding: 'utf8', env: { ...process.env, WRK_BODY: body, WRK_HEADERS: headers } },
    );
    const line = /^RESULT (.*)$/m.exec(run.stdout)?.[1];
    if (line === undefined) throw new Error(`wrk printed no result:\n${run.stdout}\n${run.stderr}`);
    return JSON.parse(line) as LoadResult;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
