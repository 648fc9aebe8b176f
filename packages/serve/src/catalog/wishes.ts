/**
 * What operators asked for beyond what the sources show: in `explicit` mode which models are served and with what settings; in
 * every mode the labels that were pointed by hand. Plain data, so that it can be written down and read again.
 */
import type { ControlMode } from './control.ts';
import type { ModelSettings } from './settings.ts';

/** Asks for every model of the sources. */
export const EVERY_MODEL = '*';

export class Wishes {
  readonly #mode: ControlMode;
  readonly #asked = new Map<string, ModelSettings>();
  readonly #labels = new Map<string, Map<string, number>>();
  /** Counts changes per model: who waits for his own can tell that it was overtaken. */
  readonly #turns = new Map<string, number>();

  constructor(mode: ControlMode, asked: Iterable<string>) {
    this.#mode = mode;
    for (const name of asked) this.#asked.set(name, {});
  }

  wants(model: string): boolean {
    return this.#mode !== 'explicit' || this.#asked.has(model) || this.#asked.has(EVERY_MODEL);
  }

  settings(model: string): ModelSettings | undefined {
    return this.#asked.get(model);
  }

  labels(model: string): ReadonlyMap<string, number> {
    return this.#labels.get(model) ?? new Map();
  }

  /** @returns the turn of this wish */
  ask(model: string, settings: ModelSettings): number {
    this.#asked.set(model, settings);
    return this.#turn(model);
  }

  /** @param known every model there is: what stays asked for when the wish was for all of them */
  drop(model: string, known: Iterable<string>): number {
    if (this.#asked.delete(EVERY_MODEL)) for (const name of known) this.#asked.set(name, this.#asked.get(name) ?? {});
    this.#asked.delete(model);
    return this.#turn(model);
  }

  /** As if it had never been asked for: it failed, and nothing waits for it. */
  withdraw(model: string): void {
    this.#asked.delete(model);
  }

  label(model: string, label: string, version: number | null): void {
    const labels = this.#labels.get(model) ?? new Map<string, number>();
    if (version === null) labels.delete(label);
    else labels.set(label, version);
    this.#labels.set(model, labels);
  }

  isTurn(model: string, turn: number): boolean {
    return this.#turns.get(model) === turn;
  }

  asked(): readonly string[] {
    return [...this.#asked.keys()];
  }

  #turn(model: string): number {
    const turn = (this.#turns.get(model) ?? 0) + 1;
    this.#turns.set(model, turn);
    return turn;
  }
}
