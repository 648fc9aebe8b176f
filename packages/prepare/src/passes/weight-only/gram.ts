/** What XᵀX says: the energy of each input, and how far off a product is when its weights are. */

export function diagonalOf(gram: Float64Array, size: number): Float64Array {
  return Float64Array.from({ length: size }, (_, i) => gram[i * size + i] ?? 0);
}

/**
 * eᵀHe of each row of `vectors` [count, size]: the squared norm of Xe. Four vectors share what is read of H, of which one half is
 * enough because it is symmetric.
 */
export function quadraticForms(vectors: Float32Array, count: number, gram: Float64Array, size: number): Float64Array {
  const forms = new Float64Array(count);
  for (let first = 0; first < count; first += 4) {
    const last = count - 1;
    const v0 = first * size;
    const v1 = Math.min(first + 1, last) * size;
    const v2 = Math.min(first + 2, last) * size;
    const v3 = Math.min(first + 3, last) * size;
    let f0 = 0;
    let f1 = 0;
    let f2 = 0;
    let f3 = 0;
    for (let row = 0; row < size; row++) {
      const start = row * size;
      let d0 = 0;
      let d1 = 0;
      let d2 = 0;
      let d3 = 0;
      for (let column = 0; column < row; column++) {
        const h = gram[start + column] ?? 0;
        d0 += h * (vectors[v0 + column] ?? 0);
        d1 += h * (vectors[v1 + column] ?? 0);
        d2 += h * (vectors[v2 + column] ?? 0);
        d3 += h * (vectors[v3 + column] ?? 0);
      }
      const own = gram[start + row] ?? 0;
      const x0 = vectors[v0 + row] ?? 0;
      const x1 = vectors[v1 + row] ?? 0;
      const x2 = vectors[v2 + row] ?? 0;
      const x3 = vectors[v3 + row] ?? 0;
      f0 += x0 * (own * x0 + 2 * d0);
      f1 += x1 * (own * x1 + 2 * d1);
      f2 += x2 * (own * x2 + 2 * d2);
      f3 += x3 * (own * x3 + 2 * d3);
    }
    const found = [f0, f1, f2, f3];
    // Rounding can leave a tiny negative number where the exact form is zero.
    for (let i = 0; i < 4 && first + i < count; i++) forms[first + i] = Math.max(0, found[i] ?? 0);
  }
  return forms;
}

/** Outputs a relative error is measured on. */
const SAMPLE = 48;

/**
 * ‖X(W − Ŵ)‖ / ‖XW‖ over evenly spread outputs; 0 where nothing is computed but zeros.
 * @param values the weights, [rows, columns]
 * @param approximation what is computed with instead
 */
export function outputError(
  values: Float32Array,
  approximation: Float32Array,
  rows: number,
  columns: number,
  gram: Float64Array,
): number {
  const count = Math.min(SAMPLE, rows);
  const wanted = new Float32Array(count * columns);
  const errors = new Float32Array(count * columns);
  for (let i = 0; i < count; i++) {
    const from = Math.floor((i * rows) / count) * columns;
    wanted.set(values.subarray(from, from + columns), i * columns);
    for (let k = 0; k < columns; k++) {
      errors[i * columns + k] = (values[from + k] ?? 0) - (approximation[from + k] ?? 0);
    }
  }
  const total = (vectors: Float32Array): number =>
    quadraticForms(vectors, count, gram, columns).reduce((sum, form) => sum + form, 0);
  const energy = total(wanted);
  return energy === 0 ? 0 : Math.sqrt(total(errors) / energy);
}
