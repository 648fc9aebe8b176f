/** A server under test as a process of its own: started, waited for, killed. It prints `listening PORT` when it is up. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Served extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  /** Milliseconds from spawn to the line that says it listens. */
  readonly startMs: number;
}

export async function serve(script: string, args: readonly string[]): Promise<Served> {
  const start = performance.now();
  const child: ChildProcess = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<number>((resolve, reject) => {
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const match = /listening (\d+)/.exec(text);
      if (match !== null) resolve(Number(match[1]));
    });
    child.once('exit', (code) => reject(new Error(`${script} ended with ${code}: ${text}`)));
  });
  return {
    port,
    pid: child.pid ?? 0,
    startMs: performance.now() - start,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}
