/**
 * The `slipway` command. This is the only place that prints an error and decides the exit code; verbs throw, or return.
 *
 * Signals: the first SIGINT or SIGTERM aborts the verb, which then has its grace time to clean up; the second ends the process at
 * once. npm, npx and the launcher each pass a signal on, so a signal arriving again within ECHO_MS is the same key press.
 */
import { asSlipwayError, EXIT, slipwayVersion } from '@slipway/core';
import { createContext } from './frame/context.ts';
import { failureDocument, failureText } from './frame/failure.ts';
import { formatJson } from './frame/json.ts';
import { parse } from './frame/program.ts';
import { styleFor } from './frame/style.ts';
import { verbs } from './verbs/index.ts';

const GRACE_MS = 3000;
const ECHO_MS = 400;
/** 128 + SIGTERM, as shells count. */
const EXIT_TERMINATED = 143;

/** Run the command line; resolves to the exit code when all that was to be printed is printed. */
export async function main(argv: readonly string[]): Promise<number> {
  const { stdout, stderr, env } = process;
  const json = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : undefined).includes('--json');
  const styles = { out: styleFor(stdout, env), notes: styleFor(stderr, env) };
  const signals = listen();
  const document = (value: unknown): void => void stdout.write(`${formatJson(value)}\n`);
  try {
    const request = parse(verbs, argv, styles.out);
    if (request.kind === 'version') {
      if (json) document({ version: slipwayVersion() });
      else stdout.write(`${slipwayVersion()}\n`);
      return EXIT.ok;
    }
    if (request.kind === 'help') {
      if (json) document({ help: request.text });
      else stdout.write(`${request.text}\n`);
      return EXIT.ok;
    }
    signals.graceMs = request.verb.graceMs ?? GRACE_MS;
    const context = createContext({
      streams: { stdout, stderr },
      styles,
      signal: signals.stopping.signal,
      json,
      env,
      cwd: process.cwd(),
    });
    try {
      return (await request.verb.run(context, request.given)) ?? EXIT.ok;
    } finally {
      context.progress(null);
    }
  } catch (error) {
    if (signals.stopping.signal.aborted) return EXIT.interrupted;
    const failure = asSlipwayError(error);
    if (json) document(failureDocument(failure));
    else stderr.write(`${failureText(failure, styles.notes)}\n`);
    return failure.exitCode;
  } finally {
    signals.release();
  }
}

interface Signals {
  readonly stopping: AbortController;
  graceMs: number;
  readonly release: () => void;
}

function listen(): Signals {
  const stopping = new AbortController();
  let firstAt = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    const code = signal === 'SIGINT' ? EXIT.interrupted : EXIT_TERMINATED;
    if (!stopping.signal.aborted) {
      firstAt = performance.now();
      stopping.abort(signal);
      setTimeout(() => process.exit(code), signals.graceMs).unref();
    } else if (performance.now() - firstAt > ECHO_MS) process.exit(code);
  };
  const quietly = (error: NodeJS.ErrnoException): void => {
    // The reader of our output has what it wanted (`slipway releases | head -1`).
    if (error.code === 'EPIPE') process.exit(EXIT.ok);
    throw error;
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  process.stdout.on('error', quietly);
  process.stderr.on('error', quietly);
  const signals: Signals = {
    stopping,
    graceMs: GRACE_MS,
    release: () => void process.off('SIGINT', onSignal).off('SIGTERM', onSignal),
  };
  return signals;
}
