/** One random decision after another, from a list that fast-check can shrink. */
export class Choices {
  #at = 0;
  readonly #numbers: readonly number[];
  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }
  get left(): boolean {
    return this.#at < this.#numbers.length;
  }
  below(limit: number): number {
    return (this.#numbers[this.#at++] ?? 0) % limit;
  }
  yes(): boolean {
    return this.below(2) === 1;
  }
  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}
