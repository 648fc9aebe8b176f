/**
 * What operators asked for beyond what the sources show: in `explicit` mode which models are served and with what settings; in
 * every mode the labels that were pointed by hand. Plain data, so that it can be written down and read again.
 */
import type { ControlMode } from './control.ts';
import type { ModelSettings } from './settings.ts';

/** Asks for every model of the sources. */
const EVERY_MODEL = '*';

/** One model that is asked for. */
export interface Wish {
  readonly settings: ModelSettings;
  /** Where it was loaded from, when that is no source of the server. */
  readonly path?: string;
}

export interface WishState {
  readonly asked: Readonly<Record<string, Wish>>;
  /** Model → label → version. */
  readonly labels: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export class Wishes {
  readonly #mode: ControlMode;
  readonly #asked = new Map<string, Wish>();
  readonly #labels = new Map<string, Map<string, number>>();
  /** Counts changes per model: who waits for his own can tell that it was overtaken. */
  readonly #turns = new Map<string, number>();
  onChange: () => void = () => undefined;

  /** @param asked by name, at the start; what was asked for before a restart adds to it */
  constructor(mode: ControlMode, asked: Iterable<string>, before: WishState | null = null) {
    this.#mode = mode;
    for (const name of asked) this.#asked.set(name, { settings: {} });
    if (mode === 'explicit') {
      for (const [name, wish] of Object.entries(before?.asked ?? {})) this.#asked.set(name, wish);
    }
    for (const [model, labels] of Object.entries(before?.labels ?? {})) {
      this.#labels.set(model, new Map(Object.entries(labels)));
    }
  }

  state(): WishState {
    const labels = [...this.#labels].filter(([, of]) => of.size > 0);
    return {
      asked: Object.fromEntries(this.#asked),
      labels: Object.fromEntries(labels.map(([model, of]) => [model, Object.fromEntries(of)])),
    };
  }

  wants(model: string): boolean {
    return this.#mode !== 'explicit' || this.#asked.has(model) || this.#asked.has(EVERY_MODEL);
  }

  settings(model: string): ModelSettings | undefined {
    return this.#asked.get(model)?.settings;
  }

  labels(model: string): ReadonlyMap<string, number> {
    return this.#labels.get(model) ?? new Map();
  }

  /** @returns the turn of this wish */
  ask(model: string, wish: Wish): number {
    this.#asked.set(model, wish);
    return this.#turn(model);
  }

  /** @param known every model there is: what stays asked for when the wish was for all of them */
  drop(model: string, known: Iterable<string>): void {
    if (this.#asked.delete(EVERY_MODEL)) {
      for (const name of known) if (!this.#asked.has(name)) this.#asked.set(name, { settings: {} });
    }
    this.#asked.delete(model);
    this.#turn(model);
  }

  /** As if it had never been asked for: it failed, and nothing waits for it. */
  withdraw(model: string): void {
    this.#asked.delete(model);
    this.onChange();
  }

  label(model: string, label: string, version: number | null): void {
    const labels = this.#labels.get(model) ?? new Map<string, number>();
    if (version === null) labels.delete(label);
    else labels.set(label, version);
    this.#labels.set(model, labels);
    this.onChange();
  }

  isTurn(model: string, turn: number): boolean {
    return this.#turns.get(model) === turn;
  }

  #turn(model: string): number {
    const turn = (this.#turns.get(model) ?? 0) + 1;
    this.#turns.set(model, turn);
    this.onChange();
    return turn;
  }
}
