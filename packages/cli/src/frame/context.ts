/**
 * What a verb may touch of the world: where it runs, what it may print, and when it should stop. Under `--json` exactly one document
 * goes to stdout; text for people, progress and logs never do.
 */
import { formatJson } from './json.ts';
import type { Style } from './style.ts';

export interface Context {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  readonly json: boolean;
  /** Someone watches stdout and can type. */
  readonly interactive: boolean;
  /** The result: the document under `--json`, otherwise the text. Once per run. */
  readonly result: (document: unknown, text: (style: Style) => string) => void;
  /** Something for the person meanwhile, on stderr. */
  readonly note: (text: string) => void;
  /** One line that is overwritten by the next, on stderr; plain lines when it is no terminal. `null` clears it. */
  readonly progress: (text: string | null) => void;
  /** stderr is a terminal: `progress` overwrites its line. */
  readonly live: boolean;
  readonly styleOfNotes: Style;
}

export interface Streams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

const CLEAR_LINE = '\r\u001B[K';

export function createContext(options: {
  readonly streams: Streams;
  readonly styles: { readonly out: Style; readonly notes: Style };
  readonly signal: AbortSignal;
  readonly json: boolean;
  readonly env: Context['env'];
  readonly cwd: string;
}): Context {
  const { streams, styles, json } = options;
  let printed = false;
  let live = '';
  const clear = (): string => (live === '' ? '' : CLEAR_LINE);
  const progress = (text: string | null): void => {
    if (streams.stderr.isTTY) {
      streams.stderr.write(clear() + (text === null ? '' : cut(text, styles.notes.width - 1)));
    } else if (text !== null && text !== live) streams.stderr.write(`${text}\n`);
    live = text ?? '';
  };
  return {
    cwd: options.cwd,
    env: options.env,
    signal: options.signal,
    json,
    interactive: streams.stdout.isTTY && !json,
    live: streams.stderr.isTTY,
    styleOfNotes: styles.notes,
    result(document, text) {
      if (printed) throw new Error('a verb printed two results');
      printed = true;
      progress(null);
      const output = json ? formatJson(document) : text(styles.out);
      if (output !== '') streams.stdout.write(`${output}\n`);
    },
    note(text) {
      const again = streams.stderr.isTTY ? cut(live, styles.notes.width - 1) : '';
      streams.stderr.write(`${streams.stderr.isTTY ? clear() : ''}${text}\n${again}`);
    },
    progress,
  };
}

const cut = (text: string, width: number): string => {
  const points = Array.from(text);
  return points.length <= width ? text : `${points.slice(0, Math.max(0, width - 1)).join('')}…`;
};
