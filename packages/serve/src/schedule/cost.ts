/**
 * What a batch of n rows costs, learned while serving: c(n) = fixed + perRow · n, by least squares over recent batches
 * (older ones fade). It answers how many rows still fit into a latency budget, and how long a queue will take.
 */

/** Weight of everything before, per observation: the memory is about fifty batches. */
const FADE = 0.98;

export class CostModel {
  #weight = 0;
  #n = 0;
  #nn = 0;
  #c = 0;
  #nc = 0;

  observe(rows: number, milliseconds: number): void {
    this.#weight = this.#weight * FADE + 1;
    this.#n = this.#n * FADE + rows;
    this.#nn = this.#nn * FADE + rows * rows;
    this.#c = this.#c * FADE + milliseconds;
    this.#nc = this.#nc * FADE + rows * milliseconds;
  }

  #fit(): { fixed: number; perRow: number } {
    const meanRows = this.#n / this.#weight;
    const meanCost = this.#c / this.#weight;
    const variance = this.#nn / this.#weight - meanRows * meanRows;
    // Only one batch size seen so far: all cost is taken as per row, which never promises too much for larger batches
    // of a model that scales, and is corrected as soon as a second size is seen.
    if (variance < 1e-9) return { fixed: 0, perRow: meanCost / meanRows };
    const perRow = (this.#nc / this.#weight - meanRows * meanCost) / variance;
    if (perRow <= 0) return { fixed: meanCost, perRow: 0 };
    const fixed = meanCost - perRow * meanRows;
    return fixed < 0 ? { fixed: 0, perRow: meanCost / meanRows } : { fixed, perRow };
  }

  /** Expected milliseconds for `rows`; 0 as long as nothing is known. */
  of(rows: number): number {
    if (this.#weight === 0) return 0;
    const { fixed, perRow } = this.#fit();
    return fixed + perRow * rows;
  }

  /** Most rows expected to take at most `milliseconds`; Infinity as long as nothing is known. */
  rowsWithin(milliseconds: number): number {
    if (this.#weight === 0) return Infinity;
    const { fixed, perRow } = this.#fit();
    if (perRow === 0) return milliseconds >= fixed ? Infinity : 0;
    return Math.max(0, Math.floor((milliseconds - fixed) / perRow));
  }
}
