import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Gathered, ProtoReader } from './reader.ts';
import { ProtoWriter } from './writer.ts';

const hex = (writer: ProtoWriter): string => writer.finish(0).toString('hex');

describe('writing', () => {
  it('gives the bytes of the examples in the description of the format', () => {
    expect(hex(new ProtoWriter().int(1, 150))).toBe('089601');
    expect(hex(new ProtoWriter().string(2, 'testing'))).toBe('120774657374696e67');
    expect(hex(new ProtoWriter().message(3, new ProtoWriter().int(1, 150)))).toBe('1a03089601');
    expect(hex(new ProtoWriter().packed(6, [3, 270, 86942]))).toBe('3206038e029ea705');
    expect(hex(new ProtoWriter().int(1, -2))).toBe('08feffffffffffffffff01');
  });

  it('leaves out an empty packed field', () => {
    expect(hex(new ProtoWriter().packed(1, []).packed64(2, []))).toBe('');
  });
});

describe('what is written', () => {
  it('is read back, whatever the sizes and the nesting', () => {
    const field = fc.oneof(
      fc.record({ kind: fc.constant('int' as const), value: fc.integer({ min: -(2 ** 53), max: 2 ** 53 }) }),
      fc.record({ kind: fc.constant('string' as const), value: fc.string({ unit: 'grapheme', maxLength: 700 }) }),
      fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 1500 }) }),
    );
    fc.assert(
      fc.property(
        fc.array(field, { maxLength: 20 }),
        fc.nat(3),
        fc.integer({ min: 1, max: 2 ** 29 - 1 }),
        (fields, depth, tag) => {
          let writer = new ProtoWriter();
          for (const { kind, value } of fields) {
            if (kind === 'int') writer.int(1, value);
            else if (kind === 'string') writer.string(2, value);
            else writer.bytes(3, value);
          }
          for (let i = 0; i < depth; i++) writer = new ProtoWriter().message(tag, writer);
          let reader = new ProtoReader(writer.finish(5).subarray(5));
          for (let i = 0; i < depth; i++) {
            expect(reader.next()).toBe(true);
            expect(reader.field).toBe(tag);
            reader = reader.message();
          }
          const back: unknown[] = [];
          while (reader.next()) {
            if (reader.field === 1) back.push(reader.int64());
            else if (reader.field === 2) back.push(reader.string());
            else back.push(Uint8Array.from(reader.bytes()));
          }
          expect(back).toEqual(fields.map(({ value }) => value));
        },
      ),
    );
  });
});

describe('reading', () => {
  const read = (bytes: number[], use: (reader: ProtoReader) => unknown): unknown => {
    const reader = new ProtoReader(Buffer.from(bytes));
    reader.next();
    return use(reader);
  };

  it.each([
    ['a length past the end', [0x0a, 5, 1], 'it ends in the middle of field 1'],
    ['a length of four gigabytes', [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], 'it ends in the middle of field 1'],
    ['a length beyond 32 bits', [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], 'it ends in the middle of field 1'],
    ['text that is not UTF-8', [0x0a, 1, 0xff], 'field 1 is not UTF-8'],
    ['a varint where text is expected', [0x08, 1], 'field 1 has the wire type 0, expected 2'],
    ['the field number 0', [0x02, 0], 'a field has an impossible number'],
    ['a tag without end', Array<number>(11).fill(0xff), 'a varint is longer than ten bytes'],
  ])('refuses %s', (_, bytes, problem) => {
    expect(() => read(bytes, (reader) => reader.string())).toThrow(`not a valid protobuf message: ${problem}`);
  });

  it('refuses a group, whose end it would have to find', () => {
    expect(() => read([0x0b, 0x0c], (reader) => reader.skip())).toThrow('has the wire type 3, which is not supported');
  });

  it('takes packed and unpacked elements as the same bytes', () => {
    const gathered = new Gathered();
    const reader = new ProtoReader(Buffer.from('0a038e0203' + '089601' + '0803', 'hex'));
    while (reader.next()) gathered.add(reader.packed(0));
    expect(gathered.bytes.toString('hex')).toBe('8e0203' + '9601' + '03');
  });

  it('reads any bytes to their end, or refuses them as malformed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const reader = new ProtoReader(Buffer.from(bytes));
        try {
          while (reader.next()) reader.skip();
        } catch (error) {
          expect(error).toMatchObject({ code: 'REQUEST_MALFORMED' });
        }
      }),
      { numRuns: 1000 },
    );
  });
});
