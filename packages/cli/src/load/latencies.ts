/** Every latency of a run, exact: percentiles come from the sorted values, not from buckets. 8 bytes each. */

export interface LatencySummary {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly meanMs: number;
  readonly maxMs: number;
}

export class Latencies {
  #values = new Float64Array(1 << 14);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(milliseconds: number): void {
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(this.#values.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#count++] = milliseconds;
  }

  /** null when nothing was measured. */
  summary(): LatencySummary | null {
    if (this.#count === 0) return null;
    const sorted = this.#values.slice(0, this.#count).sort();
    // Nearest rank: the smallest value that at least this share of all values does not exceed.
    const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
    return {
      p50Ms: at(0.5),
      p95Ms: at(0.95),
      p99Ms: at(0.99),
      p999Ms: at(0.999),
      meanMs: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
      maxMs: at(1),
    };
  }
}
