/**
 * What a metric keeps of the rows it has seen: a few numbers per row, all rows one after the other in one array. Outputs are
 * gone once read, so that an evaluation of any length takes memory for these numbers only.
 *
 * That they are kept by row, and not summed up at once, is what makes intervals, paired tests and slices the same code for
 * every metric: each is the same figure over other rows.
 */
export interface Kept {
  readonly rows: number;
  readonly values: Float64Array;
  /** Row i is `values[starts[i]]` to `values[starts[i + 1]]`; one more element than there are rows. */
  readonly starts: Uint32Array;
}

export interface Keeper {
  /** The numbers of the next row; copied. */
  add(row: ArrayLike<number>): void;
  finish(): Kept;
}

export function keeper(): Keeper {
  let values = new Float64Array(1024);
  let starts = new Uint32Array(256);
  let rows = 0;
  let used = 0;
  return {
    add(row) {
      if (used + row.length > values.length) values = grown(values, used + row.length, Float64Array);
      if (rows + 2 > starts.length) starts = grown(starts, rows + 2, Uint32Array);
      values.set(row, used);
      used += row.length;
      starts[++rows] = used;
    },
    finish: () => ({ rows, values: values.slice(0, used), starts: starts.slice(0, rows + 1) }),
  };
}

function grown<T extends Float64Array | Uint32Array>(old: T, needed: number, make: new (length: number) => T): T {
  const larger = new make(Math.max(needed, old.length * 2));
  larger.set(old);
  return larger;
}

/** Only some of the rows, in the order given. */
export function selectRows(kept: Kept, rows: ArrayLike<number>): Kept {
  const chosen = keeper();
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] ?? 0;
    chosen.add(kept.values.subarray(kept.starts[row], kept.starts[row + 1]));
  }
  return chosen.finish();
}

export function sameKept(first: Kept, second: Kept): boolean {
  const { values, starts } = first;
  return (
    values.length === second.values.length &&
    values.every((value, i) => Object.is(value, second.values[i])) &&
    starts.every((start, i) => start === second.starts[i])
  );
}
