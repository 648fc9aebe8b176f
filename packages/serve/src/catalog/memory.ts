/**
 * Whether another model fits. What a version needs is what it needed when it was loaded before, or what another version of its
 * model needed, or a guess from the size of its files; what is free is the budget less what the processes occupy now and what
 * loads under way have been promised.
 *
 * Resident memory counts what processes share (the engine's library, about 50 MiB) once per process. So the sum is more than
 * is really taken, and a load is refused rather too early than too late.
 */
import { fail } from '@slipway/core';
import type { Candidate } from './source.ts';

/** Of a runner without a model: Node.js and the engine. Measured: 114 MB. */
const RUNNER_BYTES = 115 * 1024 * 1024;
/** Bytes of memory per byte of the files, before anything was measured. TensorFlow Serving guesses the same. */
const BYTES_PER_FILE_BYTE = 1.2;

export interface MemoryLedgerOptions {
  readonly budgetBytes: number;
  /** What all processes of the server occupy now. */
  readonly used: () => Promise<number>;
  /** What the machine could give beyond that; Infinity when the budget alone counts. */
  readonly available: () => number;
}

export interface Claim {
  readonly model: string;
  readonly bytes: number;
  /** Give back some memory; false when there is nothing left to give back. */
  readonly makeRoom: () => Promise<boolean>;
}

export class MemoryLedger {
  readonly #options: MemoryLedgerOptions;
  /** By what was loaded: files and settings. */
  readonly #measured = new Map<string, number>();
  /** By model: what its version loaded last needed, and how large its files were. */
  readonly #models = new Map<string, { readonly needed: number; readonly files: number }>();
  #promised = 0;
  /** Claims are decided one after the other: two must not be promised the same memory. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: MemoryLedgerOptions) {
    this.#options = options;
  }

  get budgetBytes(): number {
    return this.#options.budgetBytes;
  }

  /** @param identity files and settings of the version */
  estimate({ model, bytes }: Candidate, identity: string, runners: number): number {
    const measured = this.#measured.get(identity);
    if (measured !== undefined) return measured;
    const before = this.#models.get(model);
    const guess = runners * (RUNNER_BYTES + bytes * BYTES_PER_FILE_BYTE);
    if (before === undefined) return guess;
    return Math.max(before.needed + runners * (bytes - before.files) * BYTES_PER_FILE_BYTE, runners * RUNNER_BYTES);
  }

  /** What loading it really took, at its peak. */
  record({ model, bytes }: Candidate, identity: string, needed: number): void {
    if (this.#measured.size > 10_000) this.#measured.clear();
    this.#measured.set(identity, needed);
    this.#models.set(model, { needed, files: bytes });
  }

  /**
   * Promise memory to a load.
   * @returns what gives the promise back, once the memory is occupied or not needed
   * @throws MEMORY_EXCEEDED
   */
  async claim(claim: Claim): Promise<() => void> {
    const before = this.#turn;
    let done: () => void = () => undefined;
    this.#turn = new Promise((resolve) => (done = resolve));
    await before;
    try {
      while (claim.bytes > (await this.#free())) {
        if (claim.bytes > this.#options.budgetBytes || !(await claim.makeRoom())) {
          throw await this.#exceeded(claim);
        }
      }
      this.#promised += claim.bytes;
      let given = false;
      return () => {
        if (!given) this.#promised -= claim.bytes;
        given = true;
      };
    } finally {
      done();
    }
  }

  async #free(): Promise<number> {
    const { budgetBytes, used, available } = this.#options;
    return Math.min(budgetBytes - (await used()), available()) - this.#promised;
  }

  async #exceeded({ model, bytes }: Claim): Promise<Error> {
    const mebibytes = (value: number): number => Math.max(0, Math.round(value / 1024 ** 2));
    return fail('MEMORY_EXCEEDED', {
      model,
      needed: mebibytes(bytes),
      free: mebibytes(await this.#free()),
      budget: mebibytes(this.#options.budgetBytes),
    });
  }
}
