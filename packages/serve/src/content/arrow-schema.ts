/** The schema of an Arrow stream: which columns there are, and of what type, as far as tensors can be made of them. */
import type { NumericDType } from '@slipway/core';
import { LIMITS } from '@slipway/core';
import { malformed } from './fit.ts';
import type { FlatTable } from './flatbuffer.ts';

/** How the elements of a column lie in the buffers of a batch. */
export type ArrowType =
  | { readonly kind: 'number'; readonly dtype: NumericDType }
  | { readonly kind: 'bool' }
  /** Text or bytes: offsets (of 32 or 64 bits) and contents. */
  | { readonly kind: 'text'; readonly wide: boolean }
  | { readonly kind: 'list'; readonly wide: boolean; readonly item: ArrowType }
  /** `dims`: what one element is, row-major; more than one with the extension type arrow.fixed_shape_tensor. */
  | { readonly kind: 'fixed'; readonly size: number; readonly dims: readonly number[]; readonly item: ArrowType }
  /** What tensors cannot be made of. Its buffers are not known, so no column after it can be read either. */
  | { readonly kind: 'other'; readonly problem: string };

export interface ArrowColumn {
  readonly name: string;
  readonly type: ArrowType;
}

/** More columns than any model has inputs or features; each costs an object. */
const MAX_FIELDS = 10_000;

/** Type ids of Schema.fbs. */
const TYPE = {
  int: 2,
  float: 3,
  binary: 4,
  utf8: 5,
  bool: 6,
  list: 12,
  fixedList: 16,
  largeBinary: 19,
  largeUtf8: 20,
  largeList: 21,
};
const NAMES: readonly string[] =
  'none null int float binary text bool decimal date time timestamp interval list struct union fixed-size-binary fixed-size-list map duration large-binary large-text large-list run-end-encoded binary-view text-view list-view large-list-view'.split(
    ' ',
  );
const FLOATS: readonly NumericDType[] = ['float16', 'float32', 'float64'];
const INTEGERS: Readonly<Record<number, readonly [NumericDType, NumericDType]>> = {
  8: ['uint8', 'int8'],
  16: ['uint16', 'int16'],
  32: ['uint32', 'int32'],
  64: ['uint64', 'int64'],
};

/** @param schema a table Schema (Schema.fbs). @throws REQUEST_MALFORMED, RangeError */
export function readSchema(schema: FlatTable): ArrowColumn[] {
  if (schema.int16(0) !== 0) throw malformed('the Arrow data is big-endian; write it little-endian');
  const budget = { fields: MAX_FIELDS };
  return schema.tables(1).map((field) => ({ name: field.string(0), type: readField(field, 0, budget) }));
}

function readField(field: FlatTable, depth: number, budget: { fields: number }): ArrowType {
  if (depth > LIMITS.maxRank) throw malformed(`the Arrow schema is nested deeper than ${LIMITS.maxRank} levels`);
  if (--budget.fields < 0) throw malformed(`the Arrow schema has more than ${MAX_FIELDS} fields`);
  const id = field.uint8(2);
  const type = field.table(3);
  if (field.table(4) !== null) return other('is dictionary-encoded; decode it first (pyarrow: dictionary_decode)');
  const item = (): ArrowType => {
    const [child] = field.tables(5);
    return child === undefined ? other('is a list of nothing') : readField(child, depth + 1, budget);
  };
  switch (id) {
    case TYPE.int: {
      const dtype = INTEGERS[type?.int32(0) ?? 0]?.[type?.uint8(1) === 0 ? 0 : 1];
      return dtype === undefined ? other('has integers of an unknown width') : { kind: 'number', dtype };
    }
    case TYPE.float: {
      const dtype = FLOATS[type?.int16(0) ?? 0];
      return dtype === undefined ? other('has floats of an unknown precision') : { kind: 'number', dtype };
    }
    case TYPE.bool:
      return { kind: 'bool' };
    case TYPE.binary:
    case TYPE.utf8:
    case TYPE.largeBinary:
    case TYPE.largeUtf8:
      return { kind: 'text', wide: id >= TYPE.largeBinary };
    case TYPE.list:
    case TYPE.largeList:
      return { kind: 'list', wide: id === TYPE.largeList, item: item() };
    case TYPE.fixedList: {
      const size = type?.int32(0) ?? 0;
      if (size < 0) throw malformed(`an Arrow list has the size ${size}`);
      return { kind: 'fixed', size, dims: tensorShape(field, size) ?? [size], item: item() };
    }
    default:
      return other(`is of the Arrow type ${NAMES[id] ?? id}, which is no tensor`);
  }
}

const other = (problem: string): ArrowType => ({ kind: 'other', problem });

/** The shape of the canonical extension type arrow.fixed_shape_tensor; null when the column is not one. */
function tensorShape(field: FlatTable, size: number): number[] | null {
  const metadata = new Map(field.tables(6).map((pair) => [pair.string(0), pair.string(1)]));
  if (metadata.get('ARROW:extension:name') !== 'arrow.fixed_shape_tensor') return null;
  let given: unknown;
  try {
    given = JSON.parse(metadata.get('ARROW:extension:metadata') ?? '');
  } catch {
    throw malformed('an Arrow column says that it is a tensor, and not of which shape');
  }
  const { shape, permutation } = given as { shape?: unknown; permutation?: unknown };
  const straight =
    permutation === undefined || (Array.isArray(permutation) && permutation.every((axis, i) => axis === i));
  if (!straight) throw malformed('an Arrow tensor column with a permutation is not supported; make it contiguous');
  const dims = Array.isArray(shape) ? (shape as unknown[]) : [];
  const whole = dims.filter((dim): dim is number => Number.isSafeInteger(dim) && (dim as number) >= 0);
  if (whole.length !== dims.length || whole.reduce((product, dim) => product * dim, 1) !== size) {
    throw malformed(
      `an Arrow tensor column has the shape ${JSON.stringify(shape ?? null).slice(0, 60)}, and ${size} values a row`,
    );
  }
  return whole.length > LIMITS.maxRank ? null : whole;
}
