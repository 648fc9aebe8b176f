/**
 * Traces on disk: a JSON array, in the form that Triton's tools read: of each trace one entry that says what was asked, and
 * one with its times. Written behind the requests: when the disk does not keep up, traces are dropped, and counted.
 */
import { type FileHandle, open } from 'node:fs/promises';

/** Traces that wait to be written. */
const MOST_WAITING = 10_000;

interface Waiting {
  readonly target: string;
  /** JSON, without brackets. */
  readonly entries: string;
  /** The file ends after it. */
  readonly last: boolean;
}

export class TraceFile {
  readonly #path: string;
  readonly #onError: (error: unknown) => void;
  readonly #open = new Map<string, FileHandle>();
  #waiting: Waiting[] = [];
  #writing: Promise<void> | null = null;
  /** Of the files that hold so many traces each: which one, and how many are in it. */
  #index = 0;
  #filled = 0;
  /** Writing failed once: it is not tried again for every trace. */
  #broken = false;
  dropped = 0;

  constructor(path: string, onError: (error: unknown) => void) {
    this.#path = path;
    this.#onError = onError;
  }

  /**
   * @param entries JSON, without brackets
   * @param perFile 0: everything into the file; otherwise so many traces each into `FILE.0`, `FILE.1`, …
   */
  add(entries: string, perFile: number): void {
    if (this.#broken || this.#waiting.length >= MOST_WAITING) {
      this.dropped++;
      return;
    }
    const target = perFile === 0 ? this.#path : `${this.#path}.${this.#index}`;
    const last = perFile > 0 && ++this.#filled >= perFile;
    if (last) {
      this.#index++;
      this.#filled = 0;
    }
    this.#waiting.push({ target, entries, last });
    this.#writing ??= this.#write().catch((error: unknown) => {
      this.#broken = true;
      this.#onError(error);
    });
  }

  /** Everything is written, and every array closed. */
  async close(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
    for (const target of [...this.#open.keys()]) await this.#end(target).catch(this.#onError);
  }

  async #write(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        for (const { target, entries, last } of this.#waiting.splice(0)) {
          const handle = this.#open.get(target);
          if (handle !== undefined) await handle.write(`,\n${entries}`);
          else {
            const opened = await open(target, 'w', 0o640);
            this.#open.set(target, opened);
            await opened.write(`[${entries}`);
          }
          if (last) await this.#end(target);
        }
      }
    } finally {
      this.#writing = null;
    }
  }

  async #end(target: string): Promise<void> {
    const handle = this.#open.get(target);
    this.#open.delete(target);
    await handle?.write(']\n');
    await handle?.close();
  }
}
