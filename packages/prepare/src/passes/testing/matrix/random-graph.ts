/**
 * Random models over the operator set: pieces one after the other, with a product with weights where a value has not the
 * rank or the size that the next piece takes. The table of pieces is what the operator set is here.
 */
import { randomStream } from '@slipway/core';
import { buildModel, encodeModel, type Model } from '@slipway/onnx';
import { control } from './control.ts';
import { elementwise } from './elementwise.ts';
import { indexing } from './indexing.ts';
import { layout } from './layout.ts';
import { linear } from './linear.ts';
import { elements, type Piece, ROW, Scope, SHAPES, type Value } from './scope.ts';

export const PIECES: readonly Piece[] = [...elementwise, ...linear, ...layout, ...indexing, ...control];

export interface RandomGraph {
  readonly model: Model;
  readonly pieces: readonly Piece[];
  /** A small change of inputs or weights changes the outputs by little. */
  readonly smooth: boolean;
}

const OPSETS: readonly number[] = [13, 17, 18, 21, 22];

/** Any pieces, in an operator set in which all of them can be written. */
function graphOf(pieces: readonly Piece[], seed: number): RandomGraph {
  const needed = Math.max(...pieces.map(({ since }) => since ?? 0));
  const last = Math.min(...pieces.map(({ until }) => until ?? Infinity));
  const random = randomStream(seed);
  const draw = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const able = OPSETS.filter((opset) => opset >= needed && opset <= last);
  const opset = able.length > 0 ? draw(able) : needed;
  const rank = draw([2, 3, 4] as const);
  const rows = draw([2, 1] as const);
  const make = (batch: number | 'n', size: number): Model => chained(pieces, { opset, rank, batch, rows: size, seed });
  const [two, three] = [make('n', 2), make('n', 3)];
  // The number of rows is open where nothing in the graph knows it.
  const open = Buffer.compare(encodeModel(two), encodeModel(three)) === 0 && random() < 0.7;
  const model = open ? two : make(rows, rows);
  return { model, pieces, smooth: pieces.every(({ steps }) => steps !== true) };
}

interface Form {
  readonly opset: number;
  readonly rank: 2 | 3 | 4;
  readonly batch: number | 'n';
  readonly rows: number;
  readonly seed: number;
}

function chained(pieces: readonly Piece[], { opset, rank, batch, rows, seed }: Form): Model {
  return buildModel(
    (b) => {
      const scope = new Scope(b, opset, rows, seed + 1);
      let value: Value = { name: b.input('x', 'float32', [batch, ...SHAPES[rank]]), shape: [rows, ...SHAPES[rank]] };
      const made: string[] = [];
      for (const piece of pieces) {
        const shape = [rows, ...SHAPES[piece.rank]];
        const result = piece.make(scope, fitted(scope, value, shape));
        value = typeof result === 'string' ? { name: result, shape } : result;
        made.push(value.name);
      }
      const y = scope.op('MatMul', [fitted(scope, value, [rows, ROW], true), scope.kernel([ROW, 5], ROW)]);
      b.output(y, 'float32', [batch, 5]);
      // Sometimes a value in between is an output too.
      const other = scope.pick(made);
      if (scope.below(3) === 0) b.output(other, 'float32', null);
    },
    { opset, imports: { 'com.microsoft': 1, 'ai.onnx.ml': 3 } },
  );
}

/** `value` as it is when it has this shape, or through a product with weights. */
function fitted(scope: Scope, value: Value, shape: readonly number[], always = false): string {
  if (!always && value.shape.join() === shape.join()) return value.name;
  // A piece may have moved axis 0: then all there is makes all rows.
  const keeps = value.shape[0] === scope.rows;
  const all = elements(value.shape);
  const inputs = keeps ? all / scope.rows : all;
  const flat = scope.op('Reshape', [value.name, scope.longs(keeps ? 0 : 1, -1)]);
  const product = scope.op('MatMul', [flat, scope.kernel([inputs, keeps ? ROW : ROW * scope.rows], inputs)]);
  const near = scope.random() < 0.5 ? scope.bounded(product) : product;
  return scope.op('Reshape', [near, scope.longs(keeps ? 0 : scope.rows, ...shape.slice(1))]);
}

/** All pieces once, in random order, a few to a graph. */
export function everyPiece(seed: number, perGraph: number): readonly RandomGraph[] {
  const random = randomStream(seed);
  const order = PIECES.map((piece) => ({ piece, at: random() })).sort((a, b) => a.at - b.at);
  // Those that keep a bound stay among themselves, so that most graphs can be held to one.
  const sorted = [...order.filter(({ piece }) => piece.steps !== true), ...order.filter(({ piece }) => piece.steps)];
  const pieces = sorted.map(({ piece }) => piece);
  return Array.from({ length: Math.ceil(pieces.length / perGraph) }, (_, index) =>
    graphOf(pieces.slice(index * perGraph, (index + 1) * perGraph), seed * 1009 + index),
  );
}
