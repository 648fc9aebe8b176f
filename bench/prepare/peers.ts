/** The Python tools this bench compares with, in an environment of their own under `.cache/`, made once. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';

/** Pinned: a figure is about a version. */
const PACKAGES = ['onnx==1.23.2', 'onnxslim==0.1.98', 'onnxsim==0.8.1', 'onnxruntime==1.30.0', 'sympy==1.14.0'];

export const SCRIPT: string = path.join(import.meta.dirname, 'peers.py');

/** Milliseconds: by the clock, and of the processor, which other work on the machine disturbs less. */
export interface Times {
  readonly ms: number;
  readonly cpuMs: number;
}

export interface Simplifiers {
  readonly versions: Readonly<Record<string, string>>;
  /** From file to file. @throws when the tool fails on the model */
  simplify(tool: 'onnxslim' | 'onnxsim', source: string, target: string): Promise<Times>;
  stop(): void;
}

/** The interpreter of the environment, which is made if it is not there. */
export function python(): string {
  const directory = path.resolve(import.meta.dirname, '../../.cache/prepare');
  const interpreter = path.join(directory, 'bin/python');
  const run = (command: string, ...args: string[]): void => {
    const { status } = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed`);
  };
  if (!existsSync(interpreter)) run('python3', '-m', 'venv', directory);
  run(interpreter, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...PACKAGES);
  return interpreter;
}

export async function startSimplifiers(): Promise<Simplifiers> {
  // One thread each, like ours.
  const env = { ...process.env, OMP_NUM_THREADS: '1' };
  const child = spawn(python(), [SCRIPT], { env, stdio: ['pipe', 'pipe', 'ignore'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<Record<string, unknown>> => {
    const line = await lines.next();
    if (line.done === true) throw new Error('the Python process ended');
    return JSON.parse(line.value) as Record<string, unknown>;
  };
  const versions = (await next()) as Record<string, string>;
  return {
    versions,
    async simplify(tool, source, target) {
      child.stdin.write(`${JSON.stringify({ tool, source, target })}\n`);
      const { ms, cpuMs, error } = await next();
      if (typeof ms !== 'number' || typeof cpuMs !== 'number') throw new Error(String(error));
      return { ms, cpuMs };
    },
    stop: () => child.stdin.end(),
  };
}
