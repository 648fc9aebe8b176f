/**
 * The space a search walks: recipes with choices, as one choice among recipes. A point is the value of every choice that was
 * met on the way; two points that give the same passes are one.
 */
import { canonicalJson, countPoints, decide, type Dimension, type RecipeStep, type SearchPlan } from '@slipway/core';
import { isValidRecipe } from './valid.ts';

export type Chooser = (dimension: Dimension) => number;

/** What was picked for every choice that was met, by its id. */
export type Point = ReadonlyMap<string, number>;

export interface Proposal {
  /** The recipe it is a trial of. */
  readonly recipe: string;
  readonly steps: readonly RecipeStep[];
  readonly point: Point;
  /** The same for the same passes. */
  readonly key: string;
}

export interface Space {
  /** Points, before those that give the same passes are merged; Infinity where a number has no step. */
  readonly size: number;
  /** Close every choice. null when the options picked rule each other out. */
  propose(choose: Chooser): Proposal | null;
  /** The same for recipes that give the same passes. */
  keyOf(steps: readonly unknown[]): string;
  /** Every point, in the order in which the choices are written. Only of finite spaces. */
  all(): Generator<Proposal>;
}

export function openSpace({ templates }: Pick<SearchPlan, 'templates'>): Space {
  const names = Object.keys(templates);
  // One choice of a recipe: its values are lists of steps, which `decide` spreads.
  const template = [{ $anyOf: Object.values(templates) }];

  const propose = (choose: Chooser): Proposal | null => {
    const point = new Map<string, number>();
    const steps = decide(template, (dimension) => {
      const picked = choose(dimension);
      point.set(dimension.id, picked);
      return picked;
    });
    if (!isValidRecipe(steps)) return null;
    const recipe = names[point.get('[0]') ?? 0] ?? '';
    return { recipe, steps, point, key: keyOf(steps) };
  };

  return {
    size: countPoints(template),
    propose,
    keyOf,
    *all() {
      // The path of picks as an odometer: the last choice that can still move moves, and what comes after it begins again.
      let path: number[] | null = [];
      while (path !== null) {
        const met: Dimension[] = [];
        const current: readonly number[] = path;
        const proposal = propose((dimension) => {
          met.push(dimension);
          return valueAt(dimension, current[met.length - 1] ?? 0);
        });
        if (proposal !== null) yield proposal;
        path = advance(
          met.map((_, i) => current[i] ?? 0),
          met.map(levels),
        );
      }
    },
  };
}

function advance(path: readonly number[], counts: readonly number[]): number[] | null {
  for (let last = path.length - 1; last >= 0; last--) {
    const next = (path[last] ?? 0) + 1;
    if (next < (counts[last] ?? 0)) return [...path.slice(0, last), next];
  }
  return null;
}

/** How many values a dimension takes; Infinity without a step. */
export function levels(dimension: Dimension): number {
  if (dimension.kind === 'any') return dimension.count;
  const { low, high, step } = dimension;
  return step === null ? Infinity : Math.floor((high - low) / step + 1e-9) + 1;
}

/** The value at a place in the order of a dimension's values. */
export function valueAt(dimension: Dimension, index: number): number {
  if (dimension.kind === 'any') return index;
  // 0.1 + 2 · 0.1 is not 0.3: people should read what they wrote.
  return Number((dimension.low + index * (dimension.step ?? 0)).toPrecision(12));
}

/** An option that is undefined is one that was not given. */
const keyOf = (steps: readonly unknown[]): string => canonicalJson(JSON.parse(JSON.stringify(steps)));
