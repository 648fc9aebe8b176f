/** Says what a file is when it is plainly not an ONNX model, so that the message names the real mistake. */

const MAGIC: readonly (readonly [prefix: string | readonly number[], what: string])[] = [
  [[0x89, 0x50, 0x4e, 0x47], 'this is a PNG image'],
  [[0xff, 0xd8, 0xff], 'this is a JPEG image'],
  ['GIF8', 'this is a GIF image'],
  ['%PDF', 'this is a PDF document'],
  [[0x1f, 0x8b], 'this is a gzip archive: unpack it first'],
  [
    [0x50, 0x4b, 0x03, 0x04],
    'this is a zip archive (PyTorch .pt and Keras .keras files are, too): export the model to ONNX',
  ],
  [[0x28, 0xb5, 0x2f, 0xfd], 'this is a zstd archive: unpack it first'],
  ['BZh', 'this is a bzip2 archive: unpack it first'],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], 'this is an xz archive: unpack it first'],
  [[0x89, 0x48, 0x44, 0x46], 'this is an HDF5 file (Keras .h5): export the model to ONNX'],
  ['GGUF', 'this is a GGUF model'],
  [[0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59], 'this is a NumPy array (.npy)'],
  [[0x7f, 0x45, 0x4c, 0x46], 'this is a program (ELF)'],
  ['version https://git-lfs', 'this is a Git LFS pointer, not the file it stands for: run `git lfs pull`'],
];

/** What `bytes` plainly are, if not a model. */
export function looksLike(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return 'the file is empty';
  for (const [prefix, what] of MAGIC) if (startsWith(bytes, prefix)) return what;
  if (isPickle(bytes)) {
    return 'this is a Python pickle (an older PyTorch .pt or scikit-learn file): export the model to ONNX';
  }
  if (startsWith(bytes.subarray(4), 'TFL3')) return 'this is a TensorFlow Lite model';
  if (startsWith(bytes.subarray(4), 'ORTM')) {
    return 'this is a model in ONNX Runtime format (.ort): keep the .onnx it was made from';
  }
  return looksLikeText(bytes);
}

/** Protocol 2 to 5: PROTO opcode and version, then a frame, a global or a container. A model's 0x80 would be field 16. */
function isPickle(bytes: Uint8Array): boolean {
  const [opcode, version = 0] = bytes;
  return opcode === 0x80 && version >= 2 && version <= 5;
}

/** A model begins with a field tag below 0x20 that plain text does not have. */
function looksLikeText(bytes: Uint8Array): string | undefined {
  const head = bytes.subarray(0, 512);
  const printable = head.every(
    (byte) => (byte >= 0x20 && byte !== 0x7f) || byte === 0x09 || byte === 0x0a || byte === 0x0d,
  );
  if (!printable) return undefined;
  const text = new TextDecoder().decode(head).trimStart().toLowerCase();
  if (text.startsWith('<!doctype html') || text.startsWith('<html')) {
    return 'this is an HTML page: the download gave a web page instead of the file';
  }
  if (text.startsWith('<')) return 'this is an XML or HTML document';
  if (text.startsWith('{') || text.startsWith('[')) return 'this is JSON text';
  return 'this is a text file';
}

function startsWith(bytes: Uint8Array, prefix: string | readonly number[]): boolean {
  if (bytes.length < prefix.length) return false;
  for (let index = 0; index < prefix.length; index++) {
    const expected = typeof prefix === 'string' ? prefix.charCodeAt(index) : prefix[index];
    if (bytes[index] !== expected) return false;
  }
  return true;
}
