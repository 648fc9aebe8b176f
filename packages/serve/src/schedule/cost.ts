/**
 * What a batch of n rows costs, c(n) in milliseconds, learned while serving.
 *
 * Batches are sorted into sizes (every size up to 8, then four to an octave), and of each size the last few costs are kept.
 * Their median is what such a batch costs: a pause of the machine or a first slow call moves it by nothing. Between sizes the
 * cost is interpolated, which follows a slope and the steps of padded or vectorised models alike; where neighbours
 * contradict each other (more rows, less time) they are pooled, because c never falls. Sizes not seen for long are
 * forgotten, so that a machine that became slower or faster is believed after a few batches.
 *
 * Beyond the largest size seen the cost is taken as proportional. For any cost with a fixed part that promises too little and
 * never too much, and is corrected by the very batch it allows: batches grow geometrically while they pay. A straight line
 * by least squares, which was here before, has neither property: one outlier tilts it, and a step is averaged away.
 * Where even one row more would be too much by proportion, `rowsToTry` lets one somewhat larger batch find out.
 *
 * Two questions, two answers: `of` is what is expected, `atLeast` what no batch has ever undercut lately. Work is
 * refused only by the second.
 */

/** Costs kept of each size; the median follows a change after half of them. */
const KEPT = 9;
/** A size not seen for so many batches is forgotten. */
const FORGET_AFTER = 1024;
/** A batch that takes at most this many times as long as one row is as good as one row. */
const SAME_AS_ONE = 1.1;
/** So many batches of a size are needed to prefer another size to it. */
const SURE = 3;
/** Times are sums of differences of a clock: what differs by less is equal. */
const EPSILON = 1e-6;

/** A median that moved by less than this part of it is the same: the curve is not drawn again for every batch. */
const CLOSE = 0.01;

interface Point {
  readonly rows: number;
  readonly cost: number;
}

/** The last `KEPT` values, in order: adding one moves a few numbers, and nothing is sorted. */
class Recent {
  readonly #ring: number[] = [];
  readonly #sorted: number[] = [];
  #at = 0;

  get count(): number {
    return this.#sorted.length;
  }
  get least(): number {
    return this.#sorted[0] ?? 0;
  }
  get most(): number {
    return this.#sorted.at(-1) ?? 0;
  }
  get median(): number {
    const middle = this.count >> 1;
    const upper = this.#sorted[middle] ?? 0;
    return this.count % 2 === 1 ? upper : ((this.#sorted[middle - 1] ?? 0) + upper) / 2;
  }

  add(value: number): void {
    const leaving = this.#ring[this.#at];
    if (leaving !== undefined) this.#sorted.splice(this.#sorted.indexOf(leaving), 1);
    this.#ring[this.#at] = value;
    this.#at = (this.#at + 1) % KEPT;
    let place = this.#sorted.length;
    while (place > 0 && (this.#sorted[place - 1] ?? 0) > value) place--;
    this.#sorted.splice(place, 0, value);
  }
}

/** The last batches of about one size. */
class Size {
  readonly rows = new Recent();
  readonly costs = new Recent();
  /** What the curve was drawn through. */
  point: Point = { rows: 0, cost: 0 };
  seenAt = 0;

  /** True when the curve must be drawn anew. */
  add(rows: number, cost: number, at: number): boolean {
    this.rows.add(rows);
    this.costs.add(cost);
    this.seenAt = at;
    const point = { rows: this.rows.median, cost: this.costs.median };
    if (point.rows === this.point.rows && Math.abs(point.cost - this.point.cost) <= CLOSE * this.point.cost) {
      return false;
    }
    this.point = point;
    return true;
  }
}

export class CostModel {
  /** By the largest number of rows each holds. */
  readonly #sizes = new Map<number, Size>();
  /** Asked as long as nothing is known here. */
  readonly #prior: CostModel | null;
  #seen = 0;
  #curve: readonly Point[] | null = null;

  constructor(prior: CostModel | null = null) {
    this.#prior = prior;
  }

  get known(): boolean {
    return this.#sizes.size > 0;
  }

  observe(rows: number, milliseconds: number): void {
    if (rows < 1) return;
    const key = sizeOf(rows);
    let size = this.#sizes.get(key);
    if (size === undefined) this.#sizes.set(key, (size = new Size()));
    if (size.add(rows, Math.max(0, milliseconds), ++this.#seen)) this.#curve = null;
    if (this.#seen % FORGET_AFTER === 0) this.#forget();
  }

  /** Expected milliseconds for `rows`, never falling with them; 0 as long as nothing is known. */
  of(rows: number): number {
    const curve = this.#points();
    const last = curve.at(-1);
    if (last === undefined) return this.#prior?.of(rows) ?? 0;
    if (rows >= last.rows) return (last.cost * rows) / last.rows;
    const above = curve.findIndex((point) => point.rows > rows);
    const to = curve[above] as Point;
    const from = curve[above - 1];
    if (from !== undefined) return between(from, to, rows);
    // Before the first: the line through the first two, if it says more than nothing.
    const next = curve[above + 1];
    const slope = next === undefined ? to.cost / to.rows : (next.cost - to.cost) / (next.rows - to.rows);
    return Math.max(0, to.cost - slope * (to.rows - rows));
  }

  /** Most rows expected to take at most `milliseconds`; Infinity as long as nothing is known. */
  rowsWithin(milliseconds: number): number {
    const curve = this.#points();
    const last = curve.at(-1);
    if (last === undefined) return this.#prior?.rowsWithin(milliseconds) ?? Infinity;
    if (last.cost === 0) return Infinity;
    const budget = milliseconds + EPSILON;
    if (last.cost <= budget) return Math.floor((budget * last.rows) / last.cost);
    // `of` never falls: halve the sizes seen.
    let [low, high] = [0, Math.ceil(last.rows)];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.of(middle) <= budget) low = middle;
      else high = middle;
    }
    return low;
  }

  /**
   * Most rows for a budget that may be exceeded once to learn something. A budget that one row does not keep is no reason
   * against batches that take hardly longer than one row.
   */
  rowsToTry(budgetMs: number): number {
    const budget = Math.max(budgetMs, this.of(1) * SAME_AS_ONE);
    const last = this.#points().at(-1);
    const known = this.rowsWithin(budget);
    return last === undefined || last.cost > budget ? known : Math.max(known, Math.ceil(last.rows * 1.25));
  }

  /**
   * How many of `available` rows, which may all go, should: a batch just above a step costs as much as the full step, and one
   * whose rows cost the same alone makes them wait for each other.
   * @param slack the part of the best rate (rows per millisecond) that may be given away for a smaller batch
   */
  worthwhile(available: number, slack: number): number {
    const own = this.#sizes.get(sizeOf(available));
    // What is not known for sure is tried.
    if (own === undefined || own.costs.count < SURE) return available;
    const rate = (rows: number): number => rows / this.of(rows);
    const candidates = [available];
    for (const { rows, costs } of this.#sizes.values()) {
      if (rows.most < available && costs.count >= SURE) candidates.push(rows.most);
    }
    const enough = Math.max(...candidates.map(rate)) * (1 - slack);
    // Among equals the largest when there is more to come, the smallest when nobody waits behind it.
    const good = candidates.filter((rows) => rate(rows) >= enough);
    return slack === 0 ? Math.max(...good) : Math.min(...good);
  }

  /** Milliseconds that no batch of `rows` or more took less than lately; 0 where nothing is known. */
  atLeast(rows: number): number {
    let least = 0;
    for (const { rows: sizes, costs } of this.#sizes.values()) {
      if (sizes.most <= rows) least = Math.max(least, costs.least);
    }
    // A larger batch that was faster has refuted it.
    for (const { rows: sizes, costs } of this.#sizes.values()) {
      if (sizes.most > rows) least = Math.min(least, costs.least);
    }
    return least;
  }

  /** Milliseconds per row that batches of at most `most` rows have not undercut lately; 0 where nothing is known. */
  leastPerRow(most: number): number {
    let best = Infinity;
    let largest = 0;
    for (const { rows, costs } of this.#sizes.values()) {
      if (rows.most > most) continue;
      best = Math.min(best, costs.least / rows.most);
      largest = Math.max(largest, rows.most);
    }
    if (best === Infinity) return 0;
    // Of larger batches than were seen nothing is known but that they take as long as the largest seen.
    return largest >= most ? best : Math.min(best, this.atLeast(largest) / most);
  }

  /** The medians by rows, with neighbours that contradict each other pooled by how fresh they are. */
  #points(): readonly Point[] {
    if (this.#curve !== null) return this.#curve;
    const pools: { rows: number; cost: number; weight: number; points: Point[] }[] = [];
    const sizes = [...this.#sizes.values()].sort((a, b) => a.point.rows - b.point.rows);
    for (const { point, costs, seenAt } of sizes) {
      const weight = costs.count * Math.exp((seenAt - this.#seen) / 50) + 1e-9;
      let pool = { ...point, weight, points: [point] };
      for (let before = pools.at(-1); before !== undefined && before.cost >= pool.cost; before = pools.at(-1)) {
        const total = before.weight + pool.weight;
        const cost = (before.cost * before.weight + pool.cost * pool.weight) / total;
        pool = { rows: pool.rows, cost, weight: total, points: [...before.points, ...pool.points] };
        pools.pop();
      }
      pools.push(pool);
    }
    return (this.#curve = pools.flatMap(({ cost, points }) => points.map(({ rows }) => ({ rows, cost }))));
  }

  #forget(): void {
    for (const [key, { seenAt }] of this.#sizes) if (this.#seen - seenAt >= FORGET_AFTER) this.#sizes.delete(key);
    this.#curve = null;
  }
}

/** The most rows of the size that `rows` belongs to: 1–8, then 10, 12, 14, 16, 20, 24, 28, 32, 40 … */
function sizeOf(rows: number): number {
  if (rows <= 8) return rows;
  const step = 2 ** (Math.ceil(Math.log2(rows)) - 3);
  return Math.ceil(rows / step) * step;
}

function between(from: Point, to: Point, rows: number): number {
  if (to.rows === from.rows) return to.cost;
  return from.cost + ((to.cost - from.cost) * (rows - from.rows)) / (to.rows - from.rows);
}
