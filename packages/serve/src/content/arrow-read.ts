/**
 * Arrow IPC, stream or file, to tensors: every column is an input; lists, of fixed or equal length, are further axes. What is
 * aligned is not copied.
 *
 * Why our own reader, when a library writes our answers: it believes every length it reads (a vector that claims 2^31 elements is
 * allocated), makes objects of lists, and does not say where data are wrong. Tests compare the two.
 *
 * Format: https://arrow.apache.org/docs/format/Columnar.html (IPC), Message.fbs, Schema.fbs. A file is a stream between
 * magic numbers, and read as one; its footer is not needed.
 */
import {
  concatRows,
  fromBytes,
  type Signature,
  SlipwayError,
  stringElement,
  type Tensor,
  type Tensors,
} from '@slipway/core';
import { type ArrowColumn, type ArrowType, readSchema } from './arrow-schema.ts';
import { fitInput, malformed, namesOf } from './fit.ts';
import { FlatTable, safeSize } from './flatbuffer.ts';

const MAGIC = Buffer.from('ARROW1');
const CONTINUATION = 0xffffffff;
/** Kinds of messages (Message.fbs). */
const SCHEMA = 1;
const RECORD_BATCH = 3;

/** @throws REQUEST_MALFORMED, TENSOR_INVALID */
export function readArrowBody(body: Buffer, signature: Signature): Tensors {
  try {
    return new ArrowReader(body).read(signature);
  } catch (error) {
    if (error instanceof SlipwayError) throw error;
    if (error instanceof RangeError) throw malformed('the Arrow data are cut off or damaged');
    throw error;
  }
}

class ArrowReader {
  readonly #body: Buffer;

  constructor(body: Buffer) {
    const isFile = body.subarray(0, MAGIC.length).equals(MAGIC);
    this.#body = isFile ? body.subarray(8, Math.max(8, body.length - fileTail(body))) : body;
  }

  read(signature: Signature): Tensors {
    let schema: readonly ArrowColumn[] | null = null;
    let wanted: readonly Wanted[] = [];
    const parts = new Map<string, Tensor[]>();
    for (const { kind, table, content } of this.#messages()) {
      if (kind === SCHEMA && schema === null) {
        schema = readSchema(table);
        wanted = wantedColumns(schema, signature);
      } else if (kind === RECORD_BATCH) {
        if (schema === null) throw malformed('the Arrow data have no schema');
        const columns = readBatch(table, content, schema, new Set(wanted.flatMap(({ columns: names }) => names)));
        if (columns === null) continue;
        for (const [name, tensor] of columns) parts.set(name, [...(parts.get(name) ?? []), tensor]);
      }
    }
    if (schema === null) throw malformed('the Arrow data have no schema');
    const column = (name: string): Tensor => joined(name, parts.get(name) ?? []);
    return Object.fromEntries(
      wanted.map(({ spec, columns }) => {
        const [only, ...more] = columns;
        if (only === undefined) throw malformed('the Arrow table has no columns');
        return [spec.name, fitInput(more.length === 0 ? column(only) : sideBySide(columns.map(column)), spec)];
      }),
    );
  }

  *#messages(): Generator<{ kind: number; table: FlatTable; content: Buffer }> {
    const body = this.#body;
    let at = 0;
    while (at + 4 <= body.length) {
      let length = body.readUInt32LE(at);
      at += 4;
      // Before Arrow 0.15 there was no such mark.
      if (length === CONTINUATION) {
        length = body.readUInt32LE(at);
        at += 4;
      }
      if (length === 0) return;
      if (length > body.length - at) throw malformed('the Arrow data are cut off in a message');
      const message = FlatTable.root(new DataView(body.buffer, body.byteOffset + at, length));
      at += length;
      const size = message.size(3);
      if (size > body.length - at) throw malformed('the Arrow data are cut off in the body of a message');
      const table = message.table(2);
      if (table !== null) yield { kind: message.uint8(1), table, content: body.subarray(at, at + size) };
      at += size;
    }
  }
}

/** Bytes of a file after its stream: the footer, its length, the magic number. */
function fileTail(body: Buffer): number {
  const end = body.length - MAGIC.length - 4;
  if (end < 8 || !body.subarray(-MAGIC.length).equals(MAGIC)) throw malformed('the end of the Arrow file is missing');
  return body.readUInt32LE(end) + 4 + MAGIC.length;
}

interface Wanted {
  readonly spec: Signature['inputs'][number];
  /** More than one: features, side by side. */
  readonly columns: readonly string[];
}

function wantedColumns(schema: readonly ArrowColumn[], signature: Signature): Wanted[] {
  const names = schema.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw malformed(`two Arrow columns are named "${twice.slice(0, 100)}"`);
  const problem = schema.find(({ type }) => type.kind === 'other');
  if (problem?.type.kind === 'other') {
    throw malformed(`the Arrow column "${problem.name.slice(0, 100)}" ${problem.type.problem}`);
  }
  const [spec] = signature.inputs;
  // A table of features for a model that takes rows of them.
  if (spec !== undefined && signature.inputs.length === 1 && !names.includes(spec.name)) {
    return [{ spec, columns: names }];
  }
  const strange = names.find((name) => !signature.inputs.some((input) => input.name === name));
  if (strange !== undefined) {
    throw malformed(
      `the Arrow column "${strange.slice(0, 100)}" is not an input of the model; it takes ${namesOf(signature)}`,
    );
  }
  return signature.inputs.map((input) => {
    if (!names.includes(input.name)) throw malformed(`the Arrow table has no column "${input.name}"`);
    return { spec: input, columns: [input.name] };
  });
}

/** The wanted columns of a batch; null for a batch without rows. */
function readBatch(
  batch: FlatTable,
  body: Buffer,
  schema: readonly ArrowColumn[],
  wanted: ReadonlySet<string>,
): [string, Tensor][] | null {
  const rows = batch.size(0);
  if (batch.table(3) !== null) {
    throw malformed('compressed Arrow data are not supported; write them without compression');
  }
  const pair = (view: DataView, at: number): [number, number] => [
    safeSize(view.getBigInt64(at, true)),
    safeSize(view.getBigInt64(at + 8, true)),
  ];
  const nodes = batch.structs(1, 16, pair);
  const regions = batch.structs(2, 16, pair);
  // Buffers that share bytes would let a small body stand for any number of elements.
  if (regions.reduce((sum, [, length]) => sum + length, 0) > body.length) throw malformed('Arrow buffers overlap');
  if (rows === 0) return null;
  const columns: [string, Tensor][] = [];
  const cursor = new Cursor(nodes, regions, body);
  for (const { name, type } of schema) {
    const value = cursor.column(type, name, rows);
    if (wanted.has(name)) columns.push([name, value]);
  }
  return columns;
}

/** Walks the nodes and buffers of a batch in the order of its fields. */
class Cursor {
  readonly #nodes: readonly (readonly [number, number])[];
  readonly #regions: readonly (readonly [number, number])[];
  readonly #body: Buffer;
  #node = 0;
  #region = 0;

  constructor(nodes: [number, number][], regions: [number, number][], body: Buffer) {
    this.#nodes = nodes;
    this.#regions = regions;
    this.#body = body;
  }

  column(type: ArrowType, name: string, rows: number): Tensor {
    const where = `the Arrow column "${name.slice(0, 100)}"`;
    return this.#elements(type, where, 0, rows, rows);
  }

  #buffer(): Buffer {
    const region = this.#regions[this.#region++];
    if (region === undefined) throw malformed('an Arrow batch has fewer buffers than its columns need');
    const [offset, length] = region;
    if (offset + length > this.#body.length) throw malformed('an Arrow buffer lies outside its batch');
    return this.#body.subarray(offset, offset + length);
  }

  /** Elements `from` to `to`, of at least `count` there are, as a tensor whose axis 0 counts them. */
  #elements(type: ArrowType, where: string, from: number, to: number, count: number): Tensor {
    const node = this.#nodes[this.#node++];
    if (node === undefined) throw malformed('an Arrow batch has fewer nodes than its columns need');
    if (node[0] < count || node[0] < to) {
      throw malformed(`${where} has ${node[0]} elements where ${Math.max(count, to)} are needed`);
    }
    if (node[1] > 0) throw malformed(`${where} has nulls; a tensor has none: fill or drop them first`);
    this.#buffer();
    switch (type.kind) {
      case 'number': {
        const data = this.#buffer();
        const size = fromBytes(type.dtype, [0], Buffer.alloc(0)).data as Uint8Array;
        const width = size.BYTES_PER_ELEMENT;
        if (to * width > data.length) throw malformed(`${where}: its buffer is too short`);
        return fromBytes(type.dtype, [to - from], data.subarray(from * width, to * width), where);
      }
      case 'bool': {
        const bits = this.#buffer();
        if (to > bits.length * 8) throw malformed(`${where}: its buffer is too short`);
        const data = new Uint8Array(to - from);
        for (let i = from; i < to; i++) data[i - from] = ((bits[i >> 3] as number) >> (i & 7)) & 1;
        return { dtype: 'bool', shape: [to - from], data };
      }
      case 'text':
        return this.#texts(type.wide, where, from, to);
      case 'fixed': {
        const { size, dims, item } = type;
        const inner = this.#elements(item, where, from * size, to * size, to * size);
        return { ...inner, shape: [to - from, ...dims, ...inner.shape.slice(1)] };
      }
      case 'list': {
        const offsets = offsetsOf(this.#buffer(), type.wide, from, to, where);
        const [first = 0] = offsets;
        const size = offsets.length < 2 ? 0 : (offsets[1] as number) - first;
        for (let i = 1; i < offsets.length; i++) {
          if ((offsets[i] as number) - (offsets[i - 1] as number) !== size) {
            throw malformed(`${where}: its lists differ in length; every row of a tensor has the same shape`);
          }
        }
        const inner = this.#elements(type.item, where, first, first + size * (to - from), 0);
        return { ...inner, shape: [to - from, size, ...inner.shape.slice(1)] };
      }
      case 'other':
        throw malformed(`${where} ${type.problem}`);
    }
  }

  #texts(wide: boolean, where: string, from: number, to: number): Tensor {
    const offsets = offsetsOf(this.#buffer(), wide, from, to, where);
    const contents = this.#buffer();
    const data = offsets.slice(1).map((end, index) => {
      const start = offsets[index] as number;
      if (start > end || end > contents.length) throw malformed(`${where}: its offsets are damaged`);
      return stringElement(contents.subarray(start, end));
    });
    return { dtype: 'string', shape: [to - from], data };
  }
}

/** The `to - from + 1` offsets around the elements from `from` to `to`. */
function offsetsOf(bytes: Buffer, wide: boolean, from: number, to: number, where: string): number[] {
  const width = wide ? 8 : 4;
  if (to === from) return [];
  if ((to + 1) * width > bytes.length) throw malformed(`${where}: its offsets are cut off`);
  return Array.from({ length: to - from + 1 }, (_, i) => {
    const at = (from + i) * width;
    return wide ? safeSize(bytes.readBigInt64LE(at)) : safeSize(BigInt(bytes.readInt32LE(at)));
  });
}

function joined(name: string, parts: readonly Tensor[]): Tensor {
  const [first] = parts;
  if (first === undefined) throw malformed('the Arrow table has no rows');
  if (parts.some(({ shape }) => shape.slice(1).join() !== first.shape.slice(1).join())) {
    throw malformed(`the Arrow column "${name.slice(0, 100)}": its lists differ in length between batches`);
  }
  return concatRows(parts);
}

/** Columns of scalars as the columns of one matrix, in float64 when they differ. */
function sideBySide(columns: readonly Tensor[]): Tensor {
  const [first] = columns;
  const rows = first?.shape[0] ?? 0;
  if (columns.some(({ shape }) => shape.length !== 1)) {
    throw malformed('no Arrow column has the name of the input, and not all are features (one number a row)');
  }
  const same = columns.every(({ dtype }) => dtype === first?.dtype);
  const shape = [rows, columns.length];
  const at = (row: number, column: number): unknown => columns[column]?.data[row];
  const all = <T>(make: (value: unknown) => T): T[] =>
    Array.from({ length: rows * columns.length }, (_, i) =>
      make(at(Math.floor(i / columns.length), i % columns.length)),
    );
  if (columns.some(({ dtype }) => dtype === 'string')) {
    if (!same) throw malformed('some Arrow columns are text and some are numbers');
    return { dtype: 'string', shape, data: all(String) };
  }
  if (same && first !== undefined && first.dtype !== 'string') {
    const data = new (first.data.constructor as new (length: number) => { [index: number]: unknown })(
      rows * columns.length,
    );
    columns.forEach((column, index) => {
      for (let row = 0; row < rows; row++) data[row * columns.length + index] = column.data[row];
    });
    return { dtype: first.dtype, shape, data } as unknown as Tensor;
  }
  if (columns.some(({ dtype }) => dtype === 'float16')) {
    throw malformed('Arrow columns of halves must not be mixed with others');
  }
  const data = Float64Array.from(all(Number));
  return { dtype: 'float64', shape, data };
}
