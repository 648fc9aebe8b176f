/** The command as a user runs it: a process of its own, from a directory that is not this repository. */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.join(import.meta.dirname, '../..');
export const COMMAND = path.join(root, 'packages/cli/bin/slipway.js');
export const MODEL = path.join(root, 'examples/digits/mnist.onnx');

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function slipway(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Ran> {
  const env = { ...process.env, ...options.env };
  const child = spawn(process.execPath, [COMMAND, ...args], { cwd: options.cwd ?? tmpdir(), env });
  return new Promise((resolve) => {
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** What was printed, as the one JSON document it must be. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller knows what it asked for
export function documentOf<T = Record<string, unknown>>(ran: Ran): T {
  return JSON.parse(ran.stdout) as T;
}

export interface ErrorDocument {
  readonly error: { code: string; message: string; remedy: string; params: Record<string, string | number> };
}

export interface Project {
  readonly directory: string;
  readonly remove: () => void;
}

const QUICK = `import { defineConfig } from 'slipway';

export default defineConfig({ name: 'digits', source: './mnist.onnx', measure: { iterations: 10, warmup: 1 } });
`;

/** An empty folder, or one with the model and a config that builds in a second. */
export function makeProject(config: string | null = QUICK): Project {
  const directory = mkdtempSync(path.join(tmpdir(), 'slipway-cli-'));
  if (config !== null) {
    cpSync(MODEL, path.join(directory, 'mnist.onnx'));
    writeFileSync(path.join(directory, 'slipway.config.ts'), config);
  }
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

/** A server under way: what it printed when it was ready, and how to end it. */
export async function startServe(
  args: readonly string[],
  cwd: string,
): Promise<{ url: string; adminUrl: string; signal: (name: NodeJS.Signals) => void; exited: Promise<number | null> }> {
  const child = spawn(
    process.execPath,
    [COMMAND, 'serve', '--port', '0', '--grpc-port', '0', '--admin-port', '0', '--json', ...args],
    {
      cwd,
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let text = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    text += String(chunk);
    if (text.endsWith('\n}\n')) break;
  }
  const { url, adminUrl } = JSON.parse(text) as { url: string; adminUrl: string };
  return { url, adminUrl, signal: (name) => void child.kill(name), exited };
}
