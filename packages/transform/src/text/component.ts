/**
 * Reading the parts of a `tokenizer.json`: JSON objects with a `type`. The file is somebody else's, so nothing in it is taken
 * for granted; what is not understood exactly is refused when the model is loaded, because a tokenizer that is nearly right gives
 * answers that are nearly right.
 */

/** Why a tokenizer cannot be used here; becomes the reason a version does not load. */
export class TokenizerProblem extends Error {}

export type Component = Readonly<Record<string, unknown>>;

export function isComponent(value: unknown): value is Component {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `what` names the part in the error: `normalizer`. @throws TokenizerProblem */
export function componentOf(value: unknown, what: string): Component & { readonly type: string } {
  if (isComponent(value) && typeof value['type'] === 'string') return value as Component & { readonly type: string };
  throw new TokenizerProblem(`${what} is not an object with a type`);
}

export function booleanOf(component: Component, key: string, otherwise: boolean): boolean {
  const value = component[key];
  return typeof value === 'boolean' ? value : otherwise;
}

/** @throws TokenizerProblem when it is there and no string */
export function stringOf(component: Component, key: string, otherwise: string): string {
  const value = component[key];
  if (value === undefined || value === null) return otherwise;
  if (typeof value === 'string') return value;
  throw new TokenizerProblem(`${key} is not a string`);
}

export function listOf(component: Component, key: string): readonly unknown[] {
  const value = component[key];
  return Array.isArray(value) ? value : [];
}

export const unknownType = (what: string, type: string): TokenizerProblem =>
  new TokenizerProblem(`the ${what} "${type.slice(0, 60)}" is not known here`);
