/** What is followed is what the engine computes: seen through the shape that ConstantOfShape makes of it. */
import { describe, expect, it } from 'vitest';
import { type Builder, buildModel } from '../build/builder.ts';
import { type Attribute, intAttribute } from '../ir/attribute.ts';
import { describeType } from '../ir/type.ts';
import { inferShapes } from './infer.ts';

const INT32 = 6;
const INT64 = 7;
const FLOAT = 1;
const BOOL = 9;

function shapeFrom(body: (b: Builder) => string): string {
  const model = buildModel((b) => {
    const x = b.input('x', 'float32', ['n', 6]);
    b.op('ConstantOfShape', [body(b)], { outputs: ['y'] });
    b.op('Identity', [x], { outputs: ['z'] });
  });
  return describeType(inferShapes(model).values.get('y') ?? null);
}

const cast = (b: Builder, from: string, to: number): string =>
  b.op('Cast', [from], { attributes: [intAttribute('to', to)] });
const list = (b: Builder, ...values: number[]): string => b.integers(`c${values.join('_')}`, [values.length], values);
const op =
  (name: string, values: readonly number[][], attributes: Attribute[] = []) =>
  (b: Builder): string =>
    b.op(
      name,
      values.map((each) => list(b, ...each)),
      { attributes },
    );

describe('values', () => {
  it('are followed through integers', () => {
    expect(shapeFrom(op('Mul', [[2, 3], [4]]))).toBe('float32[8, 12]');
    expect(shapeFrom((b) => cast(b, cast(b, list(b, 5), INT32), INT64))).toBe('float32[5]');
    expect(shapeFrom(op('Mod', [[-7], [4]]))).toBe('float32[1]');
    expect(shapeFrom((b) => b.op('Div', [b.op('Shape', [cast(b, 'x', FLOAT)]), list(b, 1, 4)]))).toBe('float32[n, 1]');
  });

  it('end at floats, whose division is another', () => {
    // 5.0 / 2.0 * 2.0 is 5; rules of integers would say 4.
    const body = (b: Builder): string => {
      const two = cast(b, list(b, 2), FLOAT);
      return cast(b, b.op('Mul', [b.op('Div', [cast(b, list(b, 5), FLOAT), two]), two]), INT64);
    };
    expect(shapeFrom(body)).toBe('float32[?]');
  });

  it('are not taken for a number the type cannot hold', () => {
    const ofInt32 = (b: Builder): string => {
      const large = cast(b, list(b, 70_000), INT32);
      return cast(b, b.op('Mul', [large, large]), INT64);
    };
    expect(shapeFrom(ofInt32)).toBe('float32[?]');
    expect(shapeFrom((b) => cast(b, cast(b, list(b, 2), BOOL), INT64))).toBe('float32[?]');
    expect(shapeFrom((b) => cast(b, cast(b, list(b, 2 ** 31 + 3), INT32), INT64))).toBe('float32[?]');
  });

  it.each([
    ['Sub', (b: Builder, huge: string): string => b.op('Sub', [huge, huge])],
    ['Min', (b: Builder, huge: string): string => b.op('Min', [huge, huge])],
    ['Div', (b: Builder, huge: string): string => b.op('Div', [huge, huge])],
    ['ReduceProd', (b: Builder, huge: string): string => b.op('ReduceProd', [huge])],
    ['Equal', (b: Builder, huge: string): string => cast(b, b.op('Equal', [huge, list(b, 2 ** 60)]), INT64)],
  ])('are not computed from integers beyond 2^53: %s', (_, body) => {
    expect(shapeFrom((b) => body(b, b.integers('huge', [1], [2 ** 61])))).toBe('float32[?]');
  });

  it('beyond 2^53 can be moved, because a Slice reads them as "to the end"', () => {
    const body = (b: Builder): string => {
      const end = b.op('Concat', [b.integers('huge', [1], [2 ** 62])], { attributes: [intAttribute('axis', 0)] });
      return b.op('Slice', [list(b, 3, 4, 5), list(b, 1), end]);
    };
    expect(shapeFrom(body)).toBe('float32[4, 5]');
  });
});
