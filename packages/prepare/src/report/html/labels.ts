/** Where to write names beside points so that they do not cover each other: greedy, deterministic. */

import { textWidth } from '../text.ts';

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Label {
  readonly x: number;
  readonly y: number;
  readonly anchor: 'start' | 'end';
  /** Too far from its point to be taken for its label without a line between them. */
  readonly far: boolean;
}

/** Mean advance of a character at 12 px semi-bold, generous. */
const ADVANCE = 7;
const HEIGHT = 15;
/** Two names in one line need a gap. */
const APART = 8;

const overlap = (a: Box, b: Box): number =>
  Math.max(0, Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x)) *
  Math.max(0, Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y));

export interface Anchor {
  readonly x: number;
  readonly y: number;
  readonly text: string;
}

/** For each point the candidate place that covers least of what is already there and stays inside `bounds`. */
export function placeLabels(points: readonly Anchor[], drawn: readonly Box[], bounds: Box): Label[] {
  const taken: Box[] = [...drawn, ...points.map(({ x, y }) => ({ x: x - 6, y: y - 6, width: 12, height: 12 }))];
  return points.map((point) => {
    const width = textWidth(point.text) * ADVANCE + APART;
    const cost = ({ box }: Option): number => {
      const outside = width * HEIGHT - overlap(box, bounds);
      return 4 * outside + taken.reduce((sum, other) => sum + overlap(box, other), 0);
    };
    const best = optionsAt(point, width).reduce((least, option) =>
      cost(option) < cost(least) - 1e-9 ? option : least,
    );
    taken.push(best.box);
    return best.label;
  });
}

interface Option {
  readonly label: Label;
  readonly box: Box;
}

/** Beside the point, then farther and farther away; what is far is tied to its point by a line. */
function optionsAt({ x, y }: Anchor, width: number): Option[] {
  const box = (left: number, top: number): Box => ({ x: left, y: top, width, height: HEIGHT });
  return [10, 34, 58].flatMap((away) =>
    [0, 18, -18, 36, -36, 54, -54, 72, -72, 90, 108].flatMap((shift): Option[] => {
      const far = away > 10 || Math.abs(shift) > 18;
      return [
        { label: { x: x + away, y: y + shift + 4, anchor: 'start', far }, box: box(x + away, y + shift - 8) },
        { label: { x: x - away, y: y + shift + 4, anchor: 'end', far }, box: box(x - away - width, y + shift - 8) },
      ];
    }),
  );
}
