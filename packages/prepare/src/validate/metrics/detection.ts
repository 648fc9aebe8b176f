/**
 * Mean average precision of detections, as COCO measures it (T.-Y. Lin et al., 2014; `pycocotools`, all areas, at most 100 boxes per
 * class and picture): boxes claim the labelled box they overlap most, best score first, each labelled box once; precision
 * is made monotonic and read at 101 recalls; the mean is over classes that occur in the labels, and over the overlaps.
 *
 * For models that end in their own suppression of duplicates: boxes [rows, n, 4], scores and classes [rows, n]. What is
 * kept of a row is which of its boxes found something at which overlap, so that the curves can be drawn for any rows.
 */
import type { MetricCall, MetricSpec } from '@slipway/core';
import type { Kept } from '../kept.ts';
import type { Metric } from '../metric.ts';
import { finiteReader, labelsOf, mismatch, outputOf, rowShape, shapeOf } from './read.ts';

type Spec = Extract<MetricSpec, { metric: 'map' }>;

const OVERLAPS = Array.from({ length: 10 }, (_, i) => (50 + 5 * i) / 100);
const MAX_BOXES = 100;
const RECALLS = 101;
const STEP = 0.01;
/** class, x1, y1, x2, y2 */
const LABEL_WIDTH = 5;

export function detection(name: string, spec: Spec): Metric {
  const overlaps = spec.iou === undefined ? OVERLAPS : [spec.iou];
  return {
    name,
    unit: 'share',
    better: 'higher',
    needsLabels: true,
    isProportion: false,
    byClass: false,
    resamples: true,
    figure: (kept) => meanPrecision(kept, overlaps.length),
    reader: () => (call, keep) => {
      const truth = labelledBoxes(name, call);
      const found = detectedBoxes(name, spec, call);
      for (let row = 0; row < call.rows; row++) keep(matchRow(truth(row), found(row), overlaps));
    },
  };
}

interface Box {
  readonly type: number;
  readonly score: number;
  readonly at: readonly [number, number, number, number];
}

function labelledBoxes(name: string, call: MetricCall): (row: number) => readonly Box[] {
  const labels = labelsOf(name, call);
  const [count = 0, width] = rowShape(labels, call.rows) ?? [];
  if (width !== LABEL_WIDTH) {
    throw mismatch(
      `${name} needs labels [rows, n, 5] (class, x1, y1, x2, y2; class −1 pads); they are ${shapeOf(labels)}`,
    );
  }
  const read = finiteReader(name, 'the label', labels, call);
  return (row) =>
    Array.from({ length: count }, (_, i) => (row * count + i) * LABEL_WIDTH).flatMap((at): Box[] =>
      read(at) < 0 ? [] : [{ type: read(at), score: 1, at: corners(read, at + 1) }],
    );
}

function detectedBoxes(name: string, spec: Spec, call: MetricCall): (row: number) => readonly Box[] {
  const [boxes, scores, classes] = [spec.boxes, spec.scores, spec.classes].map((each) => outputOf(name, call, each));
  if (boxes === undefined || scores === undefined || classes === undefined) {
    throw mismatch(`${name} reads three outputs`);
  }
  const count = scores.data.length / call.rows;
  if (boxes.data.length !== 4 * count * call.rows || classes.data.length !== scores.data.length) {
    const shapes = `boxes ${shapeOf(boxes)}, scores ${shapeOf(scores)}, classes ${shapeOf(classes)} for ${call.rows} rows`;
    throw mismatch(`${name} needs boxes [rows, n, 4], scores and classes [rows, n]; the outputs are ${shapes}`);
  }
  const at = finiteReader(name, `output "${spec.boxes}"`, boxes, call);
  const score = finiteReader(name, `output "${spec.scores}"`, scores, call);
  const type = finiteReader(name, `output "${spec.classes}"`, classes, call);
  return (row) =>
    Array.from({ length: count }, (_, i) => row * count + i).flatMap((i): Box[] =>
      type(i) < 0 ? [] : [{ type: type(i), score: score(i), at: corners(at, 4 * i) }],
    );
}

const corners = (read: (index: number) => number, at: number): Box['at'] => [
  read(at),
  read(at + 1),
  read(at + 2),
  read(at + 3),
];

function overlapOf([a1, b1, a2, b2]: Box['at'], [c1, d1, c2, d2]: Box['at']): number {
  const width = Math.min(a2, c2) - Math.max(a1, c1);
  const height = Math.min(b2, d2) - Math.max(b1, d1);
  if (width <= 0 || height <= 0) return 0;
  const both = width * height;
  return both / ((a2 - a1) * (b2 - b1) + (c2 - c1) * (d2 - d1) - both);
}

/** How many classes the labels have, (class, boxes) for each, then (class, score, bits) for each detection; bit i: found at overlap i. */
function matchRow(truth: readonly Box[], found: readonly Box[], overlaps: readonly number[]): number[] {
  const types = [...new Set(truth.map(({ type }) => type))];
  const kept = [types.length, ...types.flatMap((type) => [type, truth.filter((box) => box.type === type).length])];
  for (const type of new Set(found.map((box) => box.type))) {
    const wanted = truth.filter((box) => box.type === type);
    const own = found
      .filter((box) => box.type === type)
      .sort((a, b) => b.score - a.score)
      .slice(0, MAX_BOXES);
    const table = own.map((box) => wanted.map((other) => overlapOf(box.at, other.at)));
    const bits = own.map(() => 0);
    for (const [level, least] of overlaps.entries()) {
      const taken = new Set<number>();
      for (const [i, row] of table.entries()) {
        let best = -1;
        let most = Math.min(least, 1 - 1e-10);
        for (const [j, overlap] of row.entries()) {
          if (taken.has(j) || overlap < most) continue;
          [best, most] = [j, overlap];
        }
        if (best < 0) continue;
        taken.add(best);
        bits[i] = (bits[i] ?? 0) | (1 << level);
      }
    }
    for (const [i, box] of own.entries()) kept.push(type, box.score, bits[i] ?? 0);
  }
  return kept;
}

interface Class {
  readonly labelled: { readonly row: number; readonly boxes: number }[];
  readonly found: { readonly row: number; readonly score: number; readonly bits: number }[];
}

function meanPrecision(kept: Kept, levels: number): (weights: Uint32Array) => number {
  const classes = [...byClass(kept).values()].filter(({ labelled }) => labelled.length > 0);
  for (const { found } of classes) found.sort((a, b) => b.score - a.score);
  const longest = classes.reduce((most, { found }) => Math.max(most, found.length), 0);
  const recall = new Float64Array(longest);
  const precision = new Float64Array(longest);
  return (weights) => {
    let sum = 0;
    let count = 0;
    for (const { labelled, found } of classes) {
      const boxes = labelled.reduce((all, each) => all + (weights[each.row] ?? 0) * each.boxes, 0);
      if (boxes === 0) continue;
      for (let level = 0; level < levels; level++) {
        let [hits, seen, points] = [0, 0, 0];
        for (const { row, bits } of found) {
          const weight = weights[row] ?? 0;
          if (weight === 0) continue;
          seen += weight;
          if (((bits >> level) & 1) === 1) hits += weight;
          recall[points] = hits / boxes;
          precision[points++] = hits / seen;
        }
        sum += interpolated(recall, precision, points);
        count++;
      }
    }
    return sum / count;
  };
}

/** Mean over 101 recalls of the best precision at that recall or beyond. */
function interpolated(recall: Float64Array, precision: Float64Array, points: number): number {
  for (let i = points - 2; i >= 0; i--) precision[i] = Math.max(precision[i] ?? 0, precision[i + 1] ?? 0);
  let sum = 0;
  let point = 0;
  for (let i = 0; i < RECALLS; i++) {
    // Not i / 100: that is another number for 35, and a recall of 7/20 then counts where COCO does not count it.
    const wanted = i === RECALLS - 1 ? 1 : i * STEP;
    while (point < points && (recall[point] ?? 0) < wanted) point++;
    if (point === points) break;
    sum += precision[point] ?? 0;
  }
  return sum / RECALLS;
}

function byClass({ rows, values, starts }: Kept): ReadonlyMap<number, Class> {
  const classes = new Map<number, Class>();
  const of = (type: number): Class => {
    const own = classes.get(type) ?? { labelled: [], found: [] };
    classes.set(type, own);
    return own;
  };
  for (let row = 0; row < rows; row++) {
    const start = starts[row] ?? 0;
    const detections = start + 1 + 2 * (values[start] ?? 0);
    for (let at = start + 1; at < detections; at += 2) {
      of(values[at] ?? 0).labelled.push({ row, boxes: values[at + 1] ?? 0 });
    }
    for (let at = detections; at < (starts[row + 1] ?? 0); at += 3) {
      of(values[at] ?? 0).found.push({ row, score: values[at + 1] ?? 0, bits: values[at + 2] ?? 0 });
    }
  }
  return classes;
}
