/**
 * Which trials are better than others, when several figures count and some trials break gates.
 *
 * Dominance with constraints as in NSGA-II (Deb, Pratap, Agarwal, Meyarivan, IEEE Trans. Evol. Comp. 6(2), 2002, §VI): what
 * holds the gates beats what does not, of two that do not the one that misses by less wins, and only among those that
 * hold do the figures decide. Fronts by its fast non-dominated sort (§III.A), order within a front by crowding (§III.B).
 */

export interface Judged {
  /** Figures to be small, the same ones in the same order for every trial. One figure: a plain order. */
  readonly losses: readonly number[];
  /** 0 when all gates hold; otherwise by how much they are missed. Infinity for what could not be made or run. */
  readonly violation: number;
}

/** True when `a` is at least as good in everything and better in something. */
export function dominates(a: Judged, b: Judged): boolean {
  if (a.violation !== b.violation) return a.violation < b.violation;
  if (a.violation > 0) return false;
  let better = false;
  for (let i = 0; i < a.losses.length; i++) {
    const [x, y] = [a.losses[i] ?? 0, b.losses[i] ?? 0];
    if (x > y) return false;
    if (x < y) better = true;
  }
  return better;
}

/** Indices of `items`, front by front; the first front is dominated by nobody. O(n² · figures). */
export function fronts(items: readonly Judged[]): number[][] {
  const beats: number[][] = items.map(() => []);
  const beatenBy = items.map(() => 0);
  for (const [i, a] of items.entries()) {
    for (const [j, b] of items.entries()) {
      if (!dominates(a, b)) continue;
      beats[i]?.push(j);
      beatenBy[j] = (beatenBy[j] ?? 0) + 1;
    }
  }
  const result: number[][] = [];
  let front = items.flatMap((_, i) => (beatenBy[i] === 0 ? [i] : []));
  while (front.length > 0) {
    result.push(front);
    const next: number[] = [];
    for (const i of front) {
      for (const j of beats[i] ?? []) {
        const left = (beatenBy[j] ?? 0) - 1;
        beatenBy[j] = left;
        if (left === 0) next.push(j);
      }
    }
    front = next.sort((a, b) => a - b);
  }
  return result;
}

/** How much room each of a front has to its neighbours, summed over the figures; the ends have Infinity. */
export function crowding(items: readonly Judged[]): number[] {
  const room = items.map(() => 0);
  const figures = items[0]?.losses.length ?? 0;
  for (let figure = 0; figure < figures; figure++) {
    const at = (i: number | undefined): number => (i === undefined ? 0 : (items[i]?.losses[figure] ?? 0));
    const order = items.map((_, i) => i).sort((a, b) => at(a) - at(b));
    const span = at(order.at(-1)) - at(order[0]);
    if (!(span > 0)) continue;
    for (const [place, i] of order.entries()) {
      const inner = place > 0 && place < order.length - 1;
      room[i] = (room[i] ?? 0) + (inner ? (at(order[place + 1]) - at(order[place - 1])) / span : Infinity);
    }
  }
  return room;
}

/** Indices of `items`, best first: by front, and within one by the room they have. */
export function rank(items: readonly Judged[]): number[] {
  return fronts(items).flatMap((front) => {
    const room = crowding(front.flatMap((i) => items[i] ?? []));
    return front
      .map((i, place) => ({ i, room: room[place] ?? 0 }))
      .sort((a, b) => (a.room === b.room ? a.i - b.i : b.room - a.room))
      .map(({ i }) => i);
  });
}
