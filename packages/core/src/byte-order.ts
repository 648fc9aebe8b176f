/** What the binary readers share: byte order, and element counts of shapes that may lie. */

/** A copy with the bytes of every `size`-byte number reversed. `bytes` holds whole numbers. */
export function swapBytes(bytes: Uint8Array, size: number): Uint8Array {
  const copy = Buffer.from(bytes);
  if (size === 2) copy.swap16();
  else if (size === 4) copy.swap32();
  else if (size === 8) copy.swap64();
  return copy;
}

/** Elements in a shape read from a file, or null when no array can have it. */
export function plausibleCount(shape: readonly number[]): number | null {
  const count = shape.reduce((product, dim) => product * dim, 1);
  return Number.isSafeInteger(count) && shape.every(Number.isSafeInteger) ? count : null;
}
