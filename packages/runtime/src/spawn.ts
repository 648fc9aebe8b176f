/**
 * Starting a runner process, and only that: descriptors, environment, what it prints, how it ended. What is said over the
 * socket is `calls.ts`. A parameter of those who use it, so that tests can supply processes that misbehave.
 */
import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import type { Logger } from '@slipway/core';
import { oomKillCount } from './host/cgroup.ts';
import { pinned } from './host/cores.ts';
import type { ExitFacts } from './exit-reason.ts';
import { closeShared, openShared } from './wire/memory.ts';

export interface SharedFiles {
  readonly requests: number;
  readonly replies: number;
}

export interface RunnerProcess {
  readonly pid: number;
  readonly socket: Socket;
  readonly shared: SharedFiles | null;
  /** The last lines it printed. */
  output(): readonly string[];
  kill(): void;
  /** After its socket was read to the end. `error`: it never started. */
  readonly closed: Promise<Omit<ExitFacts, 'ended'> & { readonly error: Error | null }>;
}

/** Lines kept of what a runner prints: enough for a native stack, not enough to matter. */
const OUTPUT_LINES = 20;
const MAX_LINE = 500;

/** A runner parses files that may be hostile with native code: it gets no secret of the gateway's environment. */
const INHERITED = /^(PATH|HOME|TMPDIR|TZ|LANG|LC_\w+|LD_\w+|MALLOC_\w+|GLIBC_TUNABLES|ORT_\w+|NODE_COMPILE_CACHE)$/;

/** The entry beside this file, in the form this file has: TypeScript in the repository, JavaScript when published. */
function entry(): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fileURLToPath(new URL(`./runner-main.${extension}`, import.meta.url));
}

/** @param cpus to run on; null: on all */
export function spawnRunner(
  model: string,
  logger: Logger | undefined,
  cpus: readonly number[] | null = null,
): RunnerProcess {
  const command = [process.execPath, entry()];
  const [program = '', ...parameters] = cpus === null ? command : pinned(cpus, command);
  const shared = openSharedFiles();
  const oomBefore = oomKillCount();
  const child = spawn(program, parameters, {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', shared?.requests ?? 'ignore', shared?.replies ?? 'ignore'],
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => INHERITED.test(name))),
    windowsHide: true,
  });
  // Node leaves the streams out when it has no descriptors left, whatever the types say.
  const socket = (child.stdio as readonly unknown[] | undefined)?.[3] as Socket | undefined;
  if (socket === undefined) {
    child.on('error', () => undefined);
    closeFiles(shared);
    throw new Error('no file descriptors left for another process');
  }
  const lines: string[] = [];
  const keep = (stream: 'stdout' | 'stderr', source: Readable | null) => {
    let rest = '';
    source?.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\n');
      rest = (parts.pop() ?? '').slice(-MAX_LINE);
      for (const part of parts) {
        const line = stripVTControlCharacters(part).slice(0, MAX_LINE);
        if (line.trim() === '') continue;
        lines.push(line);
        if (lines.length > OUTPUT_LINES) lines.shift();
        logger?.warn({ model, runner: child.pid, stream, line }, 'the runner printed');
      }
    });
  };
  keep('stdout', child.stdout);
  keep('stderr', child.stderr);
  // The end of the process is what counts; a broken pipe is only its first sign.
  socket.on('error', () => undefined);

  const closed = new Promise<Awaited<RunnerProcess['closed']>>((resolve) => {
    const finish = (code: number | null, signal: NodeJS.Signals | null, error: Error | null): void => {
      closeFiles(shared);
      const oomAfter = oomKillCount();
      const oomKills = oomBefore === null || oomAfter === null ? null : oomAfter - oomBefore;
      resolve({ code, signal, error, oomKills, output: lines });
    };
    child.once('close', (code, signal) => finish(code, signal, null));
    child.once('error', (error) => {
      if (child.pid === undefined) {
        child.removeAllListeners('close');
        finish(null, null, error);
      }
    });
  });
  return { pid: child.pid ?? 0, socket, shared, output: () => lines, kill: () => void child.kill('SIGKILL'), closed };
}

function closeFiles(shared: SharedFiles | null): void {
  if (shared === null) return;
  closeShared(shared.requests);
  closeShared(shared.replies);
}

function openSharedFiles(): SharedFiles | null {
  const requests = openShared();
  if (requests === null) return null;
  const replies = openShared();
  if (replies !== null) return { requests, replies };
  closeShared(requests);
  return null;
}
