/**
 * The smallest model there is, as bytes: y = Identity(x), float32[n]. Running it proves that the engine loads and computes on this
 * machine, whatever the state of the user's own models.
 */

/** One protobuf field with a length: the tag, the length, the content. Everything here is shorter than 128 bytes. */
const field = (number: number, content: Uint8Array | string): Buffer => {
  const bytes = Buffer.from(content);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
};
const varint = (number: number, value: number): Buffer => Buffer.from([number << 3, value]);
const join = (...parts: Buffer[]): Buffer => Buffer.concat(parts);

const FLOAT = 1;

/** An ONNX ModelProto; field numbers from onnx.proto. */
export function smokeModel(): Buffer {
  const shape = field(1, field(2, 'n'));
  const type = field(1, join(varint(1, FLOAT), field(2, shape)));
  const value = (name: string): Buffer => join(field(1, name), field(2, type));
  const node = join(field(1, 'x'), field(2, 'y'), field(4, 'Identity'));
  const graph = join(field(1, node), field(2, 'smoke'), field(11, value('x')), field(12, value('y')));
  return join(varint(1, 8), field(7, graph), field(8, varint(2, 13)));
}
