/** Boxes of three classes on pictures, and what a mediocre detector makes of them: seeded, so that references can be computed once. */
import { randomStream, type Tensor, tensor, type Tensors } from '@slipway/core';

const PICTURES = 12;
const LABELLED = 4;
const FOUND = 6;

export interface Detections {
  /** class, x1, y1, x2, y2 of every picture. */
  readonly truth: readonly (readonly number[])[][];
  /** class, score, x1, y1, x2, y2; class −1 is none. */
  readonly found: readonly (readonly number[])[][];
  readonly outputs: Tensors;
  readonly labels: Tensor;
}

export function detections(seed: number): Detections {
  const random = randomStream(seed);
  const boxes = (count: number): number[][] =>
    Array.from({ length: count }, () => {
      const [x, y] = [random() * 80, random() * 80];
      return [x, y, x + 5 + random() * 20, y + 5 + random() * 20];
    });
  const truth: number[][][] = [];
  const found: number[][][] = [];
  for (let i = 0; i < PICTURES; i++) {
    const own = boxes(LABELLED).map((box) => [Math.floor(random() * 3), ...box]);
    const near = own.flatMap(([type = 0, ...box]) => {
      if (random() >= 0.8) return [];
      const named = random() < 0.85 ? type : (type + 1) % 3;
      return [[named, random(), ...box.map((value) => value + (random() - 0.5) * 4)]];
    });
    const all = [...near, ...boxes(2).map((box) => [Math.floor(random() * 3), random(), ...box])];
    while (all.length < FOUND) all.push([-1, 0, 0, 0, 0, 0]);
    truth.push(own);
    found.push(all.slice(0, FOUND));
  }
  const rounded = (rows: number[][][]): number[][][] => rows.map((row) => row.map((box) => box.map(Math.fround)));
  const [labels, answers] = [rounded(truth), rounded(found)];
  const column = (from: number, to: number): Float32Array =>
    Float32Array.from(answers.flat().flatMap((box) => box.slice(from, to)));
  return {
    truth: labels,
    found: answers,
    labels: tensor('float32', [PICTURES, LABELLED, 5], Float32Array.from(labels.flat(2))),
    outputs: {
      boxes: tensor('float32', [PICTURES, FOUND, 4], column(2, 6)),
      scores: tensor('float32', [PICTURES, FOUND], column(1, 2)),
      classes: tensor('float32', [PICTURES, FOUND], column(0, 1)),
    },
  };
}
