import { describe, expect, it } from 'vitest';
import { argument, choice, defineVerb, duration, flag, portOrNone, texts, whole, withDefault } from './declare.ts';
import { parse } from './program.ts';
import { styleFor } from './style.ts';

const verb = defineVerb({
  name: 'bake',
  group: 'Serve it',
  summary: 'bake a thing',
  description: 'Bakes.',
  arguments: { thing: argument('What.') },
  options: {
    hot: flag('Hot.'),
    maxTime: withDefault(duration('How long.'), '10s'),
    layers: whole('How many.', { min: 1, max: 9 }),
    glaze: choice(['sugar', 'chocolate'], 'Which.'),
    add: texts('what', 'More.'),
    outlet: withDefault(portOrNone('Where.'), '80'),
  },
  examples: [{ command: 'slipway bake cake', description: 'a cake' }],
  run: () => Promise.resolve(undefined),
});
const given = (...argv: string[]): unknown => {
  const request = parse([verb], argv, styleFor({}, {}));
  return request.kind === 'run' ? request.given : request;
};

describe('parse', () => {
  it('gives every option a value, written or not', () => {
    expect(given('bake', 'cake')).toMatchObject({ thing: 'cake', hot: false, maxTime: 10_000, add: [] });
    expect(given('bake', 'cake')).toHaveProperty('layers', undefined);
    expect(
      given('bake', 'cake', '--hot', '--max-time', '500ms', '--layers', '3', '--add', 'a', '--add=b'),
    ).toMatchObject({
      hot: true,
      maxTime: 500,
      layers: 3,
      add: ['a', 'b'],
    });
  });

  it('takes a port, or none', () => {
    expect(given('bake', 'cake')).toMatchObject({ outlet: 80 });
    expect(given('bake', 'cake', '--outlet', '0')).toMatchObject({ outlet: 0 });
    expect(given('bake', 'cake', '--outlet', 'none')).toMatchObject({ outlet: 'none' });
  });

  it('tells help and version apart', () => {
    expect(given('--version')).toEqual({ kind: 'version' });
    expect(given()).toMatchObject({ kind: 'help', verb: null });
    expect(given('bake', '--help')).toMatchObject({ kind: 'help', verb: { name: 'bake' } });
    expect(given('help', 'bake')).toMatchObject({ kind: 'help', verb: { name: 'bake' } });
  });

  it.each([
    [['bkae'], 'unknown verb "bkae", did you mean "bake"'],
    [['bake'], "missing required argument 'thing'"],
    [['bake', 'x', '--max-tme', '1s'], 'did you mean "--max-time"'],
    [['bake', 'x', '--layers', '10'], 'from 1 to 9'],
    [['bake', 'x', '--layers', '1.5'], 'from 1 to 9'],
    [['bake', 'x', '--outlet', 'nowhere'], 'from 0 to 65535'],
    [['bake', 'x', '--glaze', 'salt'], 'sugar, chocolate'],
    [['bake', 'x', '--max-time', '-1s'], '500ms, 10s or 2m'],
  ])('%j is a usage error', (argv, message) => {
    expect(() => given(...argv)).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(message) as string }),
    );
  });
});
