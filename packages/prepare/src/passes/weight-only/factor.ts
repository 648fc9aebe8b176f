/**
 * H = L · D · Lᵀ with L unit lower triangular, for matrices of a few thousand rows in plain double arrays.
 *
 * Cholesky in blocks of columns: what is subtracted from a block are dot products of rows, which lie in memory as they are read;
 * four rows against two at a time, so that most operands stay in registers.
 */

const BLOCK = 64;

export interface Factor {
  readonly size: number;
  /** [size, size], row-major: L below the diagonal; what is on and above it means nothing. */
  readonly lower: Float64Array;
  /** D, all > 0. */
  readonly diagonal: Float64Array;
}

/**
 * Factor a symmetric positive definite matrix in its own memory (only the lower half is read).
 * @returns null when it is not positive definite
 */
export function factorize(matrix: Float64Array, size: number): Factor | null {
  for (let left = 0; left < size; left += BLOCK) {
    const right = Math.min(left + BLOCK, size);
    subtractProducts(matrix, size, left, right);
    if (!factorBlock(matrix, size, left, right)) return null;
  }
  const diagonal = new Float64Array(size);
  for (let i = 0; i < size; i++) diagonal[i] = (matrix[i * size + i] ?? 0) ** 2;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < row; column++) {
      const at = row * size + column;
      matrix[at] = (matrix[at] ?? 0) / (matrix[column * size + column] ?? 1);
    }
  }
  return { size, lower: matrix, diagonal };
}

/** A[i, j] −= A[i, :left] · A[j, :left] for all rows i ≥ left and columns j of the block. */
function subtractProducts(matrix: Float64Array, size: number, left: number, right: number): void {
  if (left === 0) return;
  for (let j = left; j < right; j += 2) {
    const pair = j + 1 < right;
    const a = j * size;
    const b = (pair ? j + 1 : j) * size;
    for (let i = j; i < size; i += 4) {
      const count = Math.min(4, size - i);
      const r0 = i * size;
      const r1 = (count > 1 ? i + 1 : i) * size;
      const r2 = (count > 2 ? i + 2 : i) * size;
      const r3 = (count > 3 ? i + 3 : i) * size;
      let a0 = 0;
      let a1 = 0;
      let a2 = 0;
      let a3 = 0;
      let b0 = 0;
      let b1 = 0;
      let b2 = 0;
      let b3 = 0;
      for (let k = 0; k < left; k++) {
        const x = matrix[a + k] ?? 0;
        const y = matrix[b + k] ?? 0;
        const p = matrix[r0 + k] ?? 0;
        const q = matrix[r1 + k] ?? 0;
        const r = matrix[r2 + k] ?? 0;
        const s = matrix[r3 + k] ?? 0;
        a0 += p * x;
        a1 += q * x;
        a2 += r * x;
        a3 += s * x;
        b0 += p * y;
        b1 += q * y;
        b2 += r * y;
        b3 += s * y;
      }
      const sums = [a0, a1, a2, a3, b0, b1, b2, b3];
      for (let row = 0; row < count; row++) {
        const at = (i + row) * size + j;
        matrix[at] = (matrix[at] ?? 0) - (sums[row] ?? 0);
        if (pair) matrix[at + 1] = (matrix[at + 1] ?? 0) - (sums[row + 4] ?? 0);
      }
    }
  }
}

/** The columns of the block, after everything to their left was subtracted. */
function factorBlock(matrix: Float64Array, size: number, left: number, right: number): boolean {
  for (let j = left; j < right; j++) {
    const own = j * size;
    let pivot = matrix[own + j] ?? 0;
    for (let k = left; k < j; k++) pivot -= (matrix[own + k] ?? 0) ** 2;
    if (!(pivot > 0)) return false;
    const root = Math.sqrt(pivot);
    matrix[own + j] = root;
    for (let i = j + 1; i < size; i++) {
      const row = i * size;
      let value = matrix[row + j] ?? 0;
      for (let k = left; k < j; k++) value -= (matrix[row + k] ?? 0) * (matrix[own + k] ?? 0);
      matrix[row + j] = value / root;
    }
  }
  return true;
}

/**
 * target[k] += Σ weights[i] · L[first + i, k] for all k < end: what rows of L, which lie below `end`, do to everything before.
 * Four rows at a time, so that the target is read and written a quarter as often.
 */
export function addRows(
  target: Float64Array,
  end: number,
  weights: Float64Array,
  count: number,
  { lower, size }: Factor,
  first: number,
): void {
  let index = 0;
  for (; index + 4 <= count; index += 4) {
    const w0 = weights[index] ?? 0;
    const w1 = weights[index + 1] ?? 0;
    const w2 = weights[index + 2] ?? 0;
    const w3 = weights[index + 3] ?? 0;
    const s0 = (first + index) * size;
    const s1 = s0 + size;
    const s2 = s1 + size;
    const s3 = s2 + size;
    for (let k = 0; k < end; k++) {
      target[k] =
        (target[k] ?? 0) +
        w0 * (lower[s0 + k] ?? 0) +
        w1 * (lower[s1 + k] ?? 0) +
        w2 * (lower[s2 + k] ?? 0) +
        w3 * (lower[s3 + k] ?? 0);
    }
  }
  for (; index < count; index++) {
    const weight = weights[index] ?? 0;
    const start = (first + index) * size;
    for (let k = 0; k < end; k++) target[k] = (target[k] ?? 0) + weight * (lower[start + k] ?? 0);
  }
}
