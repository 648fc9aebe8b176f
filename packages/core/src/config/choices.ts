/**
 * Choices: a recipe in which any pass, and any option of a pass, may be left open. `search` closes them, one trial at a time.
 *
 *   [optional(simplify()), anyOf(quantize.dynamic(), quantize.static({ perChannel: anyOf(true, false) }))]
 *
 * A choice is typed as one of its values, because that is what stands there in every trial: so each place takes the choices whose
 * values it would take, and the compiler checks them as it checks a plain recipe. What is really there is plain data
 * under a key that no pass has, which survives JSON and a second copy of this package, where a class would not. `compileConfig` is the
 * only reader; nothing after it sees a choice where a value belongs.
 *
 * A choice inside a value of another exists only where that value was taken: a conditional dimension.
 */
import type { PassSpec } from '../passes.ts';

interface AnyOf {
  readonly $anyOf: readonly unknown[];
}

interface Between {
  readonly $between: readonly [number, number];
  readonly step?: number;
  readonly log?: boolean;
}

interface Partial {
  readonly $partial: PassSpec;
  readonly most: number;
}

/** A number that an option may be. */
export interface BetweenOptions {
  /** Only `low`, `low + step`, `low + 2 step`, …: 1 for whole numbers. Without it, any number. */
  readonly step?: number;
  /** Small and large values count alike, as for a number that is sensible from 0.001 to 1. */
  readonly log?: boolean;
}

/** One of these values; in the place of a pass, one of these passes, or lists of passes (`[]` is none). */
export function anyOf<T>(...values: readonly T[]): T;
export function anyOf(...values: readonly (PassSpec | readonly PassSpec[])[]): PassSpec;
export function anyOf(...values: readonly unknown[]): unknown {
  return { $anyOf: values } satisfies AnyOf;
}

/** These passes, or none of them. */
export function optional(...passes: readonly PassSpec[]): PassSpec {
  return anyOf<readonly PassSpec[]>([], passes) as unknown as PassSpec;
}

/** A number from `low` to `high`, both included. */
export function between(low: number, high: number, options: BetweenOptions = {}): number {
  return { $between: [low, high], ...options } satisfies Between as unknown as number;
}

/**
 * A pass that leaves out as few layers as needed: the ones that hurt most stay as they are until the gates on
 * the metric and on parity hold. For passes that take `exclude`.
 * @param options.most largest share of the layers that may be left out, 0–1; default 0.5
 */
export function partial(pass: PassSpec, options: { readonly most?: number } = {}): PassSpec {
  return { $partial: pass, most: options.most ?? 0.5 } satisfies Partial as unknown as PassSpec;
}

/** A pass in a recipe whose exclusions the build finds. */
export interface PartialStep {
  readonly partial: PassSpec;
  /** Largest share of the layers that may be left out, 0–1. */
  readonly most: number;
}

export type RecipeStep = PassSpec | PartialStep;

export const isPartial = (step: RecipeStep): step is PartialStep => 'partial' in step;

/** A recipe with choices in it, as written. */
export type Template = readonly unknown[];

/** What a choice offers. `id` says where it is, including which values were taken on the way there. */
export type Dimension =
  | { readonly id: string; readonly kind: 'any'; readonly count: number }
  | {
      readonly id: string;
      readonly kind: 'between';
      readonly low: number;
      readonly high: number;
      readonly step: number | null;
      readonly log: boolean;
    };

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isAnyOf = (value: unknown): value is AnyOf => isRecord(value) && Array.isArray(value['$anyOf']);
const isBetween = (value: unknown): value is Between => isRecord(value) && Array.isArray(value['$between']);
const isPartialMark = (value: unknown): value is Partial => isRecord(value) && '$partial' in value;

/**
 * Close every choice of a template. Choices are met in order, those inside a value only where it was taken.
 * @param pick the index of a value of `any`; the number itself for `between`
 * @returns the steps as data, not validated
 */
export function decide(template: Template, pick: (dimension: Dimension) => number): unknown[] {
  const close = (value: unknown, id: string): unknown => {
    if (isAnyOf(value)) {
      const index = pick({ id, kind: 'any', count: value.$anyOf.length });
      return close(value.$anyOf[index], `${id}=${index}`);
    }
    if (isBetween(value)) {
      const [low, high] = value.$between;
      return pick({ id, kind: 'between', low, high, step: value.step ?? null, log: value.log ?? false });
    }
    if (isPartialMark(value)) return { partial: close(value.$partial, id), most: value.most };
    if (Array.isArray(value)) return value.map((item: unknown, i) => close(item, `${id}[${i}]`));
    if (!isRecord(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, close(item, `${id}.${key}`)]));
  };
  // What was decided to be several steps, or none, is spread into the list.
  return template.map((step, i) => close(step, `[${i}]`)).flat(Infinity);
}

/** What is wrong with a choice itself, or null. */
export function problemOfChoice(value: unknown): string | null {
  if (isAnyOf(value) && value.$anyOf.length === 0) return 'anyOf() needs at least one value';
  if (isPartialMark(value) && !(value.most > 0 && value.most <= 1)) return 'partial(): most must be in (0, 1]';
  if (!isBetween(value)) return null;
  const [low, high] = value.$between;
  if (!Number.isFinite(low) || !Number.isFinite(high) || low >= high) {
    return `between(${low}, ${high}) holds no numbers`;
  }
  if (value.step !== undefined && !(value.step > 0)) return 'between(): step must be more than 0';
  if (value.log === true && low <= 0) return 'between(): log needs a low bound above 0';
  return null;
}
