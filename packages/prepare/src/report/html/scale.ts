/** Axes: a mapping from values to positions and the round values to mark. Pure arithmetic, shared by the charts. */

export interface Scale {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

/** @param range positions of the two ends of the domain */
export function linearScale(domain: readonly [number, number], range: readonly [number, number], marks = 5): Scale {
  const [low, high] = widen(domain);
  const step = roundStep((high - low) / marks);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  // + 0 turns the −0 that rounding up from below zero gives into 0.
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step + 0);
  return { at: (value) => range[0] + ((value - low) / (high - low)) * (range[1] - range[0]), ticks };
}

/** For positive values that span more than a few times their smallest. Marks 1, 2 and 5 of every decade. */
export function logScale(domain: readonly [number, number], range: readonly [number, number]): Scale {
  const low = Math.log10(domain[0]);
  const high = Math.max(low + 0.05, Math.log10(domain[1]));
  const ticks: number[] = [];
  for (let decade = Math.floor(low); decade <= high; decade++) {
    for (const digit of [1, 2, 5]) {
      const tick = digit * 10 ** decade;
      if (Math.log10(tick) >= low - 1e-9 && Math.log10(tick) <= high + 1e-9) ticks.push(tick);
    }
  }
  const wide = high - low > 3 ? ticks.filter((tick) => Math.abs(Math.log10(tick) % 1) < 1e-9) : ticks;
  return { at: (value) => range[0] + ((Math.log10(value) - low) / (high - low)) * (range[1] - range[0]), ticks: wide };
}

/** 1, 2 or 5 times a power of ten, at least `rough`. */
function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((digit) => digit * power >= rough * (1 - 1e-9)) ?? 10;
  return step * power;
}

function widen([low, high]: readonly [number, number]): readonly [number, number] {
  // Values that differ by rounding only are one value.
  if (high - low > Math.max(Math.abs(low), Math.abs(high)) * 1e-9) return [low, high];
  const margin = Math.abs(low) * 0.05 || 1;
  return [low - margin, high + margin];
}

/**
 * The points nothing else beats in both directions (smaller `cost`, larger `worth`), by rising cost. Of points that are
 * equal in both, the first stays.
 */
export function paretoFront<T extends { readonly cost: number; readonly worth: number }>(
  points: readonly T[],
): readonly T[] {
  const sorted = [...points].sort((a, b) => a.cost - b.cost || b.worth - a.worth);
  const front: T[] = [];
  for (const point of sorted) {
    const last = front.at(-1);
    if (last === undefined || point.worth > last.worth) front.push(point);
  }
  return front;
}
