/**
 * Executables without their symbol tables. Those and the section headers are for debuggers; the kernel and the dynamic linker
 * read only the program headers. The official Node binary loses 18 of its 127 MB.
 *
 * Layout: System V ABI, chapter "ELF Header" and "Program Header", ELF64 little-endian.
 */

const MAGIC = 0x464c457f;
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const HEADER_BYTES = 64;
/** Offsets in the file header. */
const PROGRAM_HEADERS = 32;
const SECTION_HEADERS = 40;
const PROGRAM_HEADER_SIZE = 54;
const PROGRAM_HEADER_COUNT = 56;
const SECTION_HEADER_SIZE = 58;
const SECTION_HEADER_COUNT = 60;
const SECTION_NAMES = 62;
/** Offsets in a program header. */
const SEGMENT_OFFSET = 8;
const SEGMENT_FILE_SIZE = 32;

/** The file up to the end of its last segment; unchanged when it is not a 64-bit little-endian ELF file. */
export function withoutSymbols(file: Buffer): Buffer {
  if (file.length < HEADER_BYTES || file.readUInt32LE(0) !== MAGIC) return file;
  if (file[4] !== CLASS_64 || file[5] !== LITTLE_ENDIAN) return file;
  const headersAt = Number(file.readBigUInt64LE(PROGRAM_HEADERS));
  const size = file.readUInt16LE(PROGRAM_HEADER_SIZE);
  const count = file.readUInt16LE(PROGRAM_HEADER_COUNT);
  let end = headersAt + size * count;
  if (count === 0 || end > file.length) return file;
  for (let i = 0; i < count; i++) {
    const at = headersAt + i * size;
    const segmentEnd = file.readBigUInt64LE(at + SEGMENT_OFFSET) + file.readBigUInt64LE(at + SEGMENT_FILE_SIZE);
    if (segmentEnd > BigInt(file.length)) return file;
    end = Math.max(end, Number(segmentEnd));
  }
  const stripped = Buffer.from(file.subarray(0, end));
  stripped.writeBigUInt64LE(0n, SECTION_HEADERS);
  stripped.writeUInt16LE(0, SECTION_HEADER_SIZE);
  stripped.writeUInt16LE(0, SECTION_HEADER_COUNT);
  stripped.writeUInt16LE(0, SECTION_NAMES);
  return stripped;
}
