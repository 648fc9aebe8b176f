import { configJsonSchema } from '@slipway/core/schemas';
import { expect, it } from 'vitest';
import * as slipway from './index.ts';

/** Words that are no pass. */
const LANGUAGE = new Set(['defineConfig', 'search', 'anyOf', 'between', 'optional', 'partial', 'custom']);

/** Everything a config can write to get a pass, called without options. */
function passesOf(exports: object): string[] {
  return Object.entries(exports).flatMap(([name, value]: [string, unknown]) => {
    if (typeof value === 'object' && value !== null) return passesOf(value);
    if (typeof value !== 'function' || LANGUAGE.has(name)) return [];
    // What is no pass (`transform`) names none.
    return [(value as (options: object) => { pass?: string })({}).pass ?? []].flat();
  });
}

it('gives a config every pass that the schema knows', () => {
  const known = [...JSON.stringify(configJsonSchema()).matchAll(/"pass":\{"type":"string","const":"([^"]+)"/g)].map(
    ([, name]) => name,
  );
  expect(known.length).toBeGreaterThan(3);
  expect(new Set(passesOf(slipway))).toEqual(new Set(known));
});
