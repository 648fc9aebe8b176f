/**
 * A server for the time of one command: `slipway serve` as a child process on free ports, so that load generator and server do not
 * share an event loop.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { errorTable, fail, SlipwayError } from '@slipway/core';

/** Characters of its stderr to show when it does not start. */
const LAST_WORDS = 500;

export interface OwnServer {
  readonly url: string;
  readonly adminUrl: string;
  readonly stop: () => Promise<void>;
}

/** @throws what `slipway serve` fails with */
export async function startOwnServer(serveArguments: readonly string[], cwd: string): Promise<OwnServer> {
  const command = fileURLToPath(new URL('../../bin/slipway.js', import.meta.url));
  const args = [
    command,
    'serve',
    '--port',
    '0',
    '--grpc-port',
    'none',
    '--admin-port',
    '0',
    '--log-level',
    'error',
    '--json',
    ...serveArguments,
  ];
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let complaints = '';
  child.stderr
    .setEncoding('utf8')
    .on('data', (chunk: string) => (complaints = (complaints + chunk).slice(-LAST_WORDS)));
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
  };
  const orphaned = (): void => void child.kill('SIGKILL');
  process.once('exit', orphaned);
  void exited.then(() => process.off('exit', orphaned));
  try {
    const ended = exited.then(() => complaints.trim());
    const document = await firstDocument(child.stdout, ended);
    return { url: document.url, adminUrl: document.adminUrl, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Ready {
  readonly url: string;
  readonly adminUrl: string;
}

/** Resolves as soon as what was printed is a whole document. */
function firstDocument(stream: NodeJS.ReadableStream, ended: Promise<string>): Promise<Ready> {
  return new Promise((resolve, reject) => {
    let text = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      text += chunk;
      let parsed: { error?: { code: string; params: Record<string, string | number> } } & Ready;
      try {
        parsed = JSON.parse(text) as typeof parsed;
      } catch {
        return;
      }
      if (parsed.error === undefined) resolve(parsed);
      else if (parsed.error.code in errorTable) {
        reject(new SlipwayError(parsed.error.code as keyof typeof errorTable, parsed.error.params));
      }
    });
    void ended.then((words) => {
      const problem = `it ended before it was ready${words === '' ? '' : `: ${words}`}`;
      reject(fail('RUNNER_START_FAILED', { model: 'server', problem }));
    });
  });
}
