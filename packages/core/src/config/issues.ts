/**
 * What is wrong with a config, in words for the person who wrote it: the path of the key, what is there, what belongs
 * there and, for a misspelling, what was probably meant. The schema library knows where it failed; which branch of a
 * union the user was after, and what else the schema would take there, is worked out here.
 */
import type { z } from 'zod';
import { suggest } from '../suggest.ts';

type Issue = z.core.$ZodIssue;

/** The part of JSON Schema that closed object schemas use. */
export interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly const?: unknown;
}

/** Longer lists of alternatives hide the message instead of helping. */
const MAX_LISTED = 12;

const NOUNS: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'an object',
  record: 'an object',
};

/** @param value what was validated, @param schema what it was validated against */
export function describeIssues(issues: readonly Issue[], value: unknown, schema: JsonSchema): string {
  return issues.map((issue) => describeIssue(issue, value, schema)).join('; ');
}

function describeIssue(issue: Issue, root: unknown, schema: JsonSchema): string {
  const value = valueAt(root, issue.path);
  const problem = (text: string): string => (issue.path.length === 0 ? text : `${formatPath(issue.path)}: ${text}`);
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = knownKeys(root, issue.path, schema);
      return issue.keys.map((key) => problem(`unknown key "${key}"${suggest(key, known) || listed(known)}`)).join('; ');
    }
    case 'invalid_union':
      return describeUnion(issue, root, schema) ?? problem(notOneOf(value, discriminators(issue.path, schema)));
    case 'invalid_value':
      // The schema's own words, where it has some.
      return problem(issue.message.startsWith('Invalid ') ? notOneOf(value, issue.values.map(String)) : issue.message);
    case 'invalid_type':
      return problem(notOf([issue.expected], value));
    case 'too_small': {
      if (issue.origin === 'string') return problem('must not be empty');
      if (issue.origin === 'array') {
        return problem(`must have ${issue.exact === true ? '' : 'at least '}${issue.minimum} elements`);
      }
      return problem(
        `must be ${issue.inclusive === true ? 'at least' : 'more than'} ${issue.minimum}, not ${show(value)}`,
      );
    }
    case 'too_big': {
      if (issue.origin === 'array') return problem(`must have at most ${issue.maximum} elements`);
      return problem(
        `must be ${issue.inclusive === true ? 'at most' : 'less than'} ${issue.maximum}, not ${show(value)}`,
      );
    }
    case 'invalid_format':
      return problem(`must match ${issue.pattern ?? issue.format}, not ${show(value)}`);
    case 'invalid_key':
      return issue.issues
        .map((inner) =>
          problem(
            inner.code === 'invalid_format' ? `the name must match ${inner.pattern ?? inner.format}` : inner.message,
          ),
        )
        .join('; ');
    default:
      return problem(issue.message);
  }
}

/** The branch the user meant: one whose type is right, and of those the one that got furthest. */
function describeUnion(issue: z.core.$ZodIssueInvalidUnion, root: unknown, schema: JsonSchema): string | null {
  if (issue.errors.length === 0) return null;
  const wrongType = (branch: readonly Issue[]): Issue | undefined =>
    branch.find(({ code, path }) => code === 'invalid_type' && path.length === 0);
  const fitting = issue.errors.filter((branch) => wrongType(branch) === undefined);
  if (fitting.length === 0) {
    const expected = issue.errors.flatMap((branch) => {
      const mismatch = wrongType(branch);
      return mismatch?.code === 'invalid_type' ? [mismatch.expected] : [];
    });
    const text = notOf(expected, valueAt(root, issue.path));
    return issue.path.length === 0 ? text : `${formatPath(issue.path)}: ${text}`;
  }
  const depth = (branch: readonly Issue[]): number => Math.max(0, ...branch.map(({ path }) => path.length));
  const best = fitting.reduce((a, b) => (depth(b) > depth(a) ? b : a));
  const nested = best.map((inner): Issue => ({ ...inner, path: [...issue.path, ...inner.path] }));
  return describeIssues(nested, root, schema);
}

function notOf(expected: readonly string[], value: unknown): string {
  const nouns = [...new Set(expected.map((type) => NOUNS[type] ?? type))].join(' or ');
  if (value === undefined) return `is missing; ${nouns} is needed`;
  return `must be ${nouns}, not ${show(value)}`;
}

function notOneOf(value: unknown, options: readonly string[]): string {
  const list = options.map((option) => `"${option}"`).join(', ');
  if (value === undefined) return `is missing; one of ${list} is needed`;
  return `must be one of ${list}, not ${show(value)}${typeof value === 'string' ? suggest(value, options) : ''}`;
}

function listed(known: readonly string[]): string {
  return known.length === 0 || known.length > MAX_LISTED ? '' : ` (known: ${known.join(', ')})`;
}

function show(value: unknown): string {
  if (typeof value === 'function') return 'a function (is it missing its parentheses?)';
  if (Array.isArray(value)) return 'a list';
  if (typeof member(value, 'pass') === 'string') return 'a single pass (put [ ] around it)';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function formatPath(segments: readonly PropertyKey[]): string {
  const each = segments.map((segment, index) => {
    if (typeof segment === 'number') return `[${segment}]`;
    const name = String(segment);
    return /^[\w$]+$/.test(name) ? `${index === 0 ? '' : '.'}${name}` : `[${JSON.stringify(name)}]`;
  });
  return each.join('');
}

const member = (value: unknown, key: PropertyKey): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<PropertyKey, unknown>)[key]
    : undefined;

const valueAt = (root: unknown, path: readonly PropertyKey[]): unknown => path.reduce(member, root);

/** A schema and all branches of its unions. */
const spread = (schema: JsonSchema): JsonSchema[] => [
  schema,
  ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap(spread),
];

/** Every schema that may apply at a path. */
function schemasAt(path: readonly PropertyKey[], schema: JsonSchema): JsonSchema[] {
  return path.reduce<JsonSchema[]>((level, segment) => {
    const inside = level.flatMap((each): readonly JsonSchema[] => {
      if (typeof segment === 'number') return each.items === undefined ? [] : [each.items];
      const named = member(each.properties, segment) as JsonSchema | undefined;
      if (named !== undefined) return [named];
      return typeof each.additionalProperties === 'object' ? [each.additionalProperties] : [];
    });
    return inside.flatMap(spread);
  }, spread(schema));
}

/** The keys allowed at a path. Of a union told apart by a constant (`pass`), only the branch that the value names. */
function knownKeys(root: unknown, path: readonly PropertyKey[], schema: JsonSchema): string[] {
  const value = valueAt(root, path);
  const applicable = schemasAt(path, schema).filter((each) =>
    Object.entries(each.properties ?? {}).every(
      ([key, property]) => typeof property.const !== 'string' || property.const === member(value, key),
    ),
  );
  return [...new Set(applicable.flatMap((each) => Object.keys(each.properties ?? {})))];
}

function discriminators(path: readonly PropertyKey[], schema: JsonSchema): string[] {
  return schemasAt(path, schema).flatMap((each) => (typeof each.const === 'string' ? [each.const] : []));
}
