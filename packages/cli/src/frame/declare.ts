/**
 * How a verb says what it takes. The parser, `--help`, the completion scripts and docs/reference/cli.md are all derived
 * from these declarations, and so are the types of the values `run` receives: a flag exists in exactly one place.
 */
import type { Context } from './context.ts';

/** What a shell may offer to complete a value with. */
export type Completes = 'file' | 'directory' | 'nothing';

interface OptionBase<V> {
  readonly description: string;
  /** How the value is shown in help: `--port <number>`. null for a switch. */
  readonly value: string | null;
  readonly completes: Completes;
  readonly choices: readonly string[] | null;
  readonly fallback: string | null;
  /** May be given more than once. */
  readonly repeatable: boolean;
  /** @throws string: what is wrong with the text, for a usage error */
  readonly parse: (text: string) => V;
}

/** An option whose value in `run` is `T`; `T` includes undefined unless there is a default. */
export interface Option<T> extends OptionBase<unknown> {
  readonly type?: T;
}

export interface Argument<T> {
  readonly description: string;
  readonly required: boolean;
  readonly completes: Completes;
  readonly choices: readonly string[] | null;
  readonly type?: T;
}

/** Thrown by a parse function: the text is not a value of this option. */
export class BadValue extends Error {}

const base = { completes: 'nothing', choices: null, fallback: null, repeatable: false } as const;

/** A switch: present or not. */
export function flag(description: string): Option<boolean> {
  return { ...base, description, value: null, parse: () => true };
}

export function text(value: string, description: string, completes: Completes = 'nothing'): Option<string | undefined> {
  return { ...base, description, value, completes, parse: (given) => given };
}

/** Any number of texts. */
export function texts(value: string, description: string, completes: Completes = 'nothing'): Option<readonly string[]> {
  return { ...base, description, value, completes, repeatable: true, parse: (given) => given };
}

export function choice<const C extends string>(choices: readonly C[], description: string): Option<C | undefined> {
  return { ...base, description, value: choices.join('|'), choices, parse: oneOf(choices) };
}

/** A whole number in a range. */
export function whole(
  description: string,
  range: { min: number; max?: number },
  value = 'number',
): Option<number | undefined> {
  const { min, max = Number.MAX_SAFE_INTEGER } = range;
  const parse = (given: string): number => {
    const number = Number(given);
    if (!/^\d+$/.test(given) || number < min || number > max) {
      throw new BadValue(`must be a whole number from ${min}${max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`}`);
    }
    return number;
  };
  return { ...base, description, value, parse };
}

const LARGEST_PORT = 65_535;

/** A TCP port. */
export function port(description: string): Option<number | undefined> {
  return whole(description, { min: 0, max: LARGEST_PORT });
}

/** A TCP port, or the word `none`. */
export function portOrNone(description: string): Option<number | 'none' | undefined> {
  const { parse } = port(description);
  // Not null: the parser of the command line takes that for an option without a value.
  return { ...port(description), value: 'number|none', parse: (given) => (given === 'none' ? given : parse(given)) };
}

/** A number above zero, fractions allowed. */
export function positive(value: string, description: string): Option<number | undefined> {
  const parse = (given: string): number => {
    const number = Number(given);
    if (given.trim() === '' || !Number.isFinite(number) || number <= 0) {
      throw new BadValue('must be a number above zero');
    }
    return number;
  };
  return { ...base, description, value, parse };
}

/** A time with its unit, in milliseconds for `run`: `500ms`, `10s`, `2m`; a bare number is seconds. */
export function duration(description: string): Option<number | undefined> {
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, '': 1000 };
  const parse = (given: string): number => {
    const match = /^(\d+(?:\.\d+)?)(ms|s|m|)$/.exec(given);
    const milliseconds = match === null ? 0 : Number(match[1]) * (units[match[2] ?? ''] ?? 0);
    if (milliseconds <= 0) throw new BadValue('must be a time such as 500ms, 10s or 2m');
    return milliseconds;
  };
  return { ...base, description, value: 'time', parse };
}

/** An amount of memory with its unit, in bytes for `run`: `512MiB`, `8GiB`, `2GB`; a bare number is bytes. */
export function size(description: string): Option<number | undefined> {
  const units: Readonly<Record<string, number>> = {
    '': 1,
    KB: 1e3,
    MB: 1e6,
    GB: 1e9,
    KiB: 2 ** 10,
    MiB: 2 ** 20,
    GiB: 2 ** 30,
  };
  const parse = (given: string): number => {
    const match = /^(\d+(?:\.\d+)?)\s?([KMG]i?B|)$/.exec(given);
    const bytes = match === null ? 0 : Math.floor(Number(match[1]) * (units[match[2] ?? ''] ?? 0));
    if (bytes <= 0) throw new BadValue('must be an amount of memory such as 512MiB or 8GiB');
    return bytes;
  };
  return { ...base, description, value: 'size', parse };
}

/** Give an option the value it has when it is not written. */
export function withDefault<T>(option: Option<T>, fallback: string): Option<Exclude<T, undefined>> {
  return { ...option, fallback } as Option<Exclude<T, undefined>>;
}

export function argument(description: string, completes: Completes = 'nothing'): Argument<string> {
  return { description, required: true, completes, choices: null };
}

export function optionalArgument(description: string, completes: Completes = 'nothing'): Argument<string | undefined> {
  return { description, required: false, completes, choices: null };
}

export function choiceArgument<const C extends string>(choices: readonly C[], description: string): Argument<C> {
  return { description, required: true, completes: 'nothing', choices };
}

function oneOf(choices: readonly string[]): (given: string) => string {
  return (given) => {
    if (!choices.includes(given)) throw new BadValue(`must be one of ${choices.join(', ')}`);
    return given;
  };
}

type Arguments = Readonly<Record<string, Argument<unknown>>>;
type Options = Readonly<Record<string, Option<unknown>>>;
type ValueOf<D> = D extends { readonly type?: infer T } ? T : never;
type Given<A extends Arguments, O extends Options> = { readonly [K in keyof A]: ValueOf<A[K]> } & {
  readonly [K in keyof O]: ValueOf<O[K]>;
};

export const GROUPS = ['Prepare a model', 'Serve it', 'Ship and operate it', 'Help'] as const;

interface Example {
  readonly command: string;
  readonly description: string;
}

/** A verb as the frame sees it. */
export interface Verb {
  readonly name: string;
  readonly group: (typeof GROUPS)[number];
  /** One line, for the list of verbs. */
  readonly summary: string;
  /** A paragraph, for `--help` and the reference page. */
  readonly description: string;
  /** In the order they are written on the command line. */
  readonly arguments: Arguments;
  /** Keys are camelCase: `maxBodyBytes` is `--max-body-bytes`. */
  readonly options: Options;
  readonly examples: readonly Example[];
  /** How long it may take to stop after a signal, for verbs that drain. */
  readonly graceMs?: number;
  /** Returns the exit code when it is not 0. Failures are thrown as SlipwayError. */
  readonly run: (context: Context, given: Readonly<Record<string, unknown>>) => Promise<number | undefined>;
}

export interface VerbDeclaration<A extends Arguments, O extends Options> extends Omit<
  Verb,
  'arguments' | 'options' | 'run'
> {
  readonly arguments: A;
  readonly options: O;
  readonly run: (context: Context, given: Given<A, O>) => Promise<number | undefined>;
}

/** Declare a verb; `run` receives values whose types follow from the declaration. */
export function defineVerb<A extends Arguments, O extends Options>(verb: VerbDeclaration<A, O>): Verb {
  return verb as unknown as Verb;
}

/** `maxBodyBytes` → `--max-body-bytes` */
export function flagOf(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
