/** A server under test: a process of its own, up when it gave the right answer once. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { treeRssBytes } from '../harness/rss.ts';
import { answeredNumbers, type Body } from './models.ts';
import type { Command } from './peers.ts';

export interface Running extends AsyncDisposable {
  readonly url: string;
  /** From the start of the process to its first right answer. */
  readonly firstAnswerSeconds: number;
  /** Of the process and all it started. */
  megabytes(): number;
}

const LONGEST_START_MS = 60_000;
const TOLERANCE = 1e-3;

/** @throws when the server ends, or does not give the right answer in time */
export async function start(command: Command, port: number, body: Body, expected: readonly number[]): Promise<Running> {
  const url = `http://127.0.0.1:${port}/v2/models/m/infer`;
  const startedAt = performance.now();
  const child = spawn(command.program, command.args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    // A group of its own, so that what it starts can be ended with it.
    detached: true,
    env: { ...process.env, ...command.env },
    ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
  });
  const pid = child.pid ?? 0;
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2000)));
  const ended = once(child, 'exit');
  const signal = (name: NodeJS.Signals): void => {
    try {
      process.kill(-pid, name);
    } catch {
      // The whole group is gone.
    }
  };
  const stop = async (): Promise<void> => {
    signal('SIGTERM');
    await Promise.race([ended, sleep(5000)]);
    signal('SIGKILL');
    await ended;
  };
  let last = '';
  while (performance.now() - startedAt < LONGEST_START_MS && child.exitCode === null) {
    try {
      const response = await fetch(url, { method: 'POST', headers: body.headers, body: new Uint8Array(body.bytes) });
      const bytes = Buffer.from(await response.arrayBuffer());
      if (response.ok) {
        const wrong = difference(answeredNumbers(bytes, response.headers), expected);
        if (wrong !== null) {
          await stop();
          throw new WrongAnswer(wrong);
        }
        const firstAnswerSeconds = (performance.now() - startedAt) / 1000;
        return { url, firstAnswerSeconds, megabytes: () => treeRssBytes(pid) / 1e6, [Symbol.asyncDispose]: stop };
      }
      last = `${response.status} ${bytes.toString('utf8', 0, 300)}`;
    } catch (error) {
      if (error instanceof WrongAnswer) throw error;
    }
    await sleep(20);
  }
  await stop();
  throw new Error(`no right answer: ${last} ${said.trim().split('\n').slice(-4).join(' ')}`);
}

class WrongAnswer extends Error {}

function difference(actual: readonly number[], expected: readonly number[]): string | null {
  if (actual.length !== expected.length) return `${actual.length} numbers instead of ${expected.length}`;
  const at = expected.findIndex(
    (value, i) => !(Math.abs(value - (actual[i] ?? NaN)) <= TOLERANCE * Math.max(1, Math.abs(value))),
  );
  return at === -1 ? null : `number ${at} is ${actual[at]} instead of ${expected[at]}`;
}

/** A port that is free together with the one after it. */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const next = createServer().listen(port + 1, '127.0.0.1');
    const free = await Promise.race([once(next, 'listening').then(() => true), once(next, 'error').then(() => false)]);
    server.close();
    next.close();
    if (free) return port;
  }
}
