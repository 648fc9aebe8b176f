/** Bytes of model files, as they are and compressed with zstd as registries and image layers do. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import { fromSystemError, type Size } from '@slipway/core';

/** The default of zstd and of what pushes image layers. */
const LEVEL = 3;

/** For the report's tools. */
export function compressorName(): string {
  return `${process.versions.zstd ?? 'unknown'} level ${LEVEL}`;
}

/** Each file compressed by itself, streamed. */
export async function measureSize(files: readonly string[]): Promise<Size> {
  let bytes = 0;
  let compressedBytes = 0;
  for (const file of files) {
    try {
      bytes += (await stat(file)).size;
      const compress = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: LEVEL } });
      await pipeline(
        createReadStream(file, { highWaterMark: 1 << 20 }),
        compress,
        async (chunks: AsyncIterable<Buffer>) => {
          for await (const chunk of chunks) compressedBytes += chunk.length;
        },
      );
    } catch (error) {
      throw fromSystemError(error, file, 'reading');
    }
  }
  return { bytes, compressedBytes };
}
