/**
 * Buffers for large bodies, used again. A fresh one per request makes V8 collect all garbage every few dozen requests,
 * because memory outside its heap counts: more than half the time of a gateway that is sent images.
 *
 * A buffer comes back only when whoever had it says that nothing refers to it any more; one that is not given back is
 * garbage like any other.
 */

/** Below, a body comes in one piece or a few, and is cheap. */
const SMALLEST = 64 * 1024;
/** Above, memory is not set aside on the word of a header. */
const LARGEST = 8 * 1024 * 1024;
const STEP = 64 * 1024;
const KEPT = 32;
/** Tensors are viewed in place when they start at a multiple of this. */
const ALIGNMENT = 8;

export class BodyPool {
  readonly #free: Buffer[] = [];

  /**
   * A buffer of `size` bytes whose byte number `aligned` lies on an address divisible by eight; null when the size is not
   * worth it.
   */
  take(size: number, aligned: number): Buffer | null {
    if (!this.takes(size)) return null;
    const capacity = Math.ceil((size + ALIGNMENT) / STEP) * STEP;
    const at = this.#free.findIndex((buffer) => buffer.length === capacity);
    const whole = at === -1 ? Buffer.allocUnsafeSlow(capacity) : (this.#free.splice(at, 1)[0] as Buffer);
    const shift = (ALIGNMENT - (aligned % ALIGNMENT)) % ALIGNMENT;
    return whole.subarray(shift, shift + size);
  }

  /** Buffers of this size are kept. */
  takes(size: number): boolean {
    return size >= SMALLEST && size <= LARGEST;
  }

  /** @param body from `take` */
  give(body: Buffer): void {
    const { buffer } = body;
    // Oldest out: when sizes change, the old ones do not stay.
    if (this.#free.length >= KEPT) this.#free.shift();
    if (buffer.byteLength > 0) this.#free.push(Buffer.from(buffer));
  }
}
