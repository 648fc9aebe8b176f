/**
 * Rows of different shapes in an archive. NumPy has no array of them but a pickled one, which is refused because reading it
 * executes code; so they are an array each: `NAME/0`, `NAME/1`, …, without a row axis.
 *
 *     np.savez('rows.npz', **{f'audio/{i}': sound for i, sound in enumerate(sounds)})
 */
import { fail } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { type Column, columnOf } from './column.ts';

/**
 * The arrays of an archive, with the rows of each of `names` that come as an array each put together.
 * @throws DATA_FORMAT when one is missing between them or is of another dtype
 */
export function rowArrays(
  arrays: ReadonlyMap<string, Tensor>,
  names: readonly string[],
  path: string,
): ReadonlyMap<string, Column> {
  const bad = (problem: string): Error => fail('DATA_FORMAT', { path, problem });
  const columns = new Map<string, Column>();
  const apart = new Map<string, Map<number, Tensor>>();
  for (const [name, array] of arrays) {
    const [, base = '', index = ''] = /^(.+)\/(0|[1-9]\d{0,14})$/.exec(name) ?? [];
    // What is named like an input is that input, whatever its name looks like.
    if (names.includes(name) || !names.includes(base)) {
      columns.set(name, array);
      continue;
    }
    const known = apart.get(base) ?? new Map<number, Tensor>();
    apart.set(base, known.set(Number(index), array));
  }
  for (const [name, found] of apart) {
    if (columns.has(name)) throw bad(`has both an array "${name}" and arrays of its rows ("${name}/0", …)`);
    const [first] = found.values();
    const rows = Array.from({ length: found.size }, (_, row): Tensor => {
      const array = found.get(row);
      if (array === undefined) throw bad(`has ${found.size} arrays "${name}/…" but none for row ${row}`);
      if (array.dtype !== first?.dtype) {
        throw bad(
          `"${name}/${row}" is ${array.dtype} where others are ${first?.dtype ?? 'nothing'}; rows are of one type`,
        );
      }
      return { ...array, shape: [1, ...array.shape] };
    });
    columns.set(name, columnOf(rows));
  }
  return columns;
}
