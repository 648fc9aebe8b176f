/** Rows whose inputs are not numbers: calibration refuses them, evaluation says that they are there. */
import { columnRows, type Dataset, type Tensor } from '@slipway/core';

export interface NotFinite {
  /** How many rows have one. */
  readonly count: number;
  /** The first of the first input that has one; counted in the data. */
  readonly first: { readonly row: number; readonly input: string; readonly kind: 'NaN' | 'an infinite value' };
}

/** null when every input of every row is finite. */
export function findNotFinite({ inputs, rowCount, firstRow }: Dataset): NotFinite | null {
  const found = new Set<number>();
  let first: NotFinite['first'] | null = null;
  for (const [input, column] of Object.entries(inputs)) {
    if (!column.dtype.startsWith('float')) continue;
    for (let row = 0; row < rowCount; row++) {
      const kind = kindOf(columnRows(column, row, row + 1));
      if (kind === null) continue;
      first ??= { row: firstRow + row, input, kind };
      found.add(row);
    }
  }
  return first === null ? null : { count: found.size, first };
}

/** Float16 is looked at as bits: an exponent of all ones is infinite or NaN. */
function kindOf({ dtype, data }: Tensor): NotFinite['first']['kind'] | null {
  if (dtype === 'float32' || dtype === 'float64') {
    const odd = data.find((value) => !Number.isFinite(value));
    return odd === undefined ? null : Number.isNaN(odd) ? 'NaN' : 'an infinite value';
  }
  if (dtype !== 'float16') return null;
  const odd = data.find((bits) => (bits & 0x7c00) === 0x7c00);
  return odd === undefined ? null : (odd & 0x3ff) === 0 ? 'an infinite value' : 'NaN';
}

/** What a report says of evaluation rows that are not finite. */
export function describeNotFinite({ count, first }: NotFinite, rows: number): string {
  const some = `${count.toLocaleString('en-US')} of ${rows.toLocaleString('en-US')} evaluation rows`;
  return `${some} ${count === 1 ? 'has' : 'have'} inputs that are NaN or infinite, first row ${first.row} (input "${first.input}"): what is measured on such rows says little.`;
}
