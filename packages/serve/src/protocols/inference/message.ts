/**
 * Writes plain objects as protobuf messages by a table of their fields, for the calls where time does not matter: REST and
 * gRPC then answer with one and the same document. As proto3 has it, what has the default value is not written.
 */
import { ProtoWriter } from '../../grpc/writer.ts';

export interface Schema {
  readonly [name: string]: Field;
}

type Field =
  | readonly [number: number, kind: 'string' | 'int' | 'bool' | 'strings' | 'ints']
  /** `map`: with strings, or numbers, as keys. */
  | readonly [number: number, kind: 'message' | 'messages' | 'map' | 'numberMap', schema: Schema]
  | readonly [number: number, kind: 'enum', values: Readonly<Record<string, number>>];

/** Members that the schema does not know are left out. */
export function writeMessage(schema: Schema, document: object): ProtoWriter {
  const writer = new ProtoWriter();
  const members = document as Readonly<Record<string, unknown>>;
  for (const [name, field] of Object.entries(schema)) {
    const value = members[name];
    if (value !== undefined && value !== null) writeField(writer, field, value);
  }
  return writer;
}

function writeField(writer: ProtoWriter, field: Field, value: unknown): void {
  const [number, kind] = field;
  switch (kind) {
    case 'string':
      if (value !== '') writer.string(number, String(value));
      return;
    case 'int':
      if (value !== 0) writer.int(number, Number(value));
      return;
    case 'bool':
      if (value === true) writer.bool(number, true);
      return;
    case 'strings':
      for (const each of value as readonly string[]) writer.string(number, each);
      return;
    case 'ints':
      writer.packed(number, value as readonly number[]);
      return;
    case 'enum': {
      const chosen = field[2][String(value)] ?? 0;
      if (chosen !== 0) writer.int(number, chosen);
      return;
    }
    case 'message':
      writer.message(number, writeMessage(field[2], value as object));
      return;
    case 'messages':
      for (const each of value as readonly object[]) writer.message(number, writeMessage(field[2], each));
      return;
    default:
      for (const [key, each] of Object.entries(value as Readonly<Record<string, object>>)) {
        const entry = kind === 'map' ? new ProtoWriter().string(1, key) : new ProtoWriter().int(1, Number(key));
        writer.message(number, entry.message(2, writeMessage(field[2], each)));
      }
  }
}
