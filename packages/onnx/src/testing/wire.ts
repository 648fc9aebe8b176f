/** Writes protobuf by hand, so that tests can write what no encoder would. */

export function varint(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt(value);
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 0x80);
  } while (rest !== 0n);
  return Uint8Array.from(bytes);
}

export function bytes(...parts: readonly (Uint8Array | string | readonly number[])[]): Uint8Array {
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Uint8Array.from(part))));
}

/** A length-delimited field. `claimed` lies about the length. */
export function delimited(field: number, content: Uint8Array | string, claimed?: number | bigint): Uint8Array {
  const body = bytes(content);
  return bytes(varint((field << 3) | 2), varint(claimed ?? body.length), body);
}

export function integer(field: number, value: number | bigint): Uint8Array {
  return bytes(varint(field << 3), varint(value));
}
