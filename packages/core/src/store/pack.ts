/**
 * A model directory as the parts of a release: two tar layers (weights; everything else with slipway.json), a ModelPack
 * config and the OCI manifest that names them. The weights are alone in their layer, uncompressed, so that the same blob
 * can be a layer of a runnable image and is shared by releases that differ in other files only.
 *
 * Nothing here depends on time, host, or the order and modes of files on disk.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import path from 'node:path';
import { canonicalJson, digestOf } from '../digest.ts';
import { fail, fromSystemError } from '../errors.ts';
import { MANIFEST_FILE, type ManifestFile } from '../manifest.ts';
import { type ModelDirectory, serializeManifest } from '../model-directory.ts';
import { discard, type StagedBlob, stageBlob, stageBytes } from './blobs.ts';
import { ANNOTATION, type Descriptor, LAYER_ROOT, MEDIA, type OciManifest } from './layout.ts';
import type { Place } from './place.ts';
import { type TarMember, writeTar } from './tar-write.ts';

export interface Packed {
  readonly manifest: StagedBlob;
  /** Everything but the manifest. */
  readonly blobs: readonly StagedBlob[];
}

/** @throws DIGEST_MISMATCH when a file is not what the model manifest says; DISK_FULL, READ_ONLY */
export async function pack(place: Place, model: ModelDirectory): Promise<Packed> {
  const staged: StagedBlob[] = [];
  const keep = async (blob: Promise<StagedBlob>): Promise<StagedBlob> => {
    staged.push(await blob);
    return blob;
  };
  try {
    const isWeights = (file: ManifestFile): boolean => file.role === 'model' || file.role === 'external-data';
    const { files } = model.manifest;
    const description = serializeManifest(model.manifest);
    const weights = await keep(
      stageLayer(
        place,
        files.filter(isWeights).map((file) => fileMember(model.directory, file)),
      ),
    );
    const rest = await keep(
      stageLayer(place, [
        bytesMember(MANIFEST_FILE, Buffer.from(description)),
        ...files.filter((file) => !isWeights(file)).map((file) => fileMember(model.directory, file)),
      ]),
    );
    const config = await keep(
      stageBytes(
        place,
        canonicalJson({
          descriptor: { name: model.manifest.name },
          config: { format: 'onnx' },
          modelfs: { type: 'layers', diffIds: [weights.digest, rest.digest] },
        }),
      ),
    );
    const layer = (mediaType: string, blob: StagedBlob): Descriptor => ({
      ...descriptor(mediaType, blob),
      annotations: { [ANNOTATION.filePath]: LAYER_ROOT },
    });
    const manifest: OciManifest = {
      schemaVersion: 2,
      mediaType: MEDIA.manifest,
      artifactType: MEDIA.model,
      config: descriptor(MEDIA.modelConfig, config),
      layers: [layer(MEDIA.weights, weights), layer(MEDIA.weightsConfig, rest)],
      annotations: { [ANNOTATION.modelManifest]: digestOf(description) },
    };
    return { blobs: [...staged], manifest: await keep(stageBytes(place, canonicalJson(manifest))) };
  } catch (error) {
    await discard(staged);
    throw error;
  }
}

export function descriptor(mediaType: string, blob: Pick<StagedBlob, 'digest' | 'size'>): Descriptor {
  return { mediaType, digest: blob.digest, size: blob.size };
}

function stageLayer(place: Place, members: readonly TarMember[]): Promise<StagedBlob> {
  return stageBlob(place, (write) => writeTar(members, write));
}

function bytesMember(name: string, content: Uint8Array): TarMember {
  return { path: `${LAYER_ROOT}/${name}`, size: content.length, content: (write) => write(content) };
}

/** Streams the file and refuses it when its digest is not the one the manifest gives. */
function fileMember(directory: string, file: ManifestFile): TarMember {
  const at = path.join(directory, file.path);
  return {
    path: `${LAYER_ROOT}/${file.path}`,
    size: file.size,
    async content(write) {
      const hash = createHash('sha256');
      for await (const chunk of readFile(at)) {
        hash.update(chunk);
        await write(chunk);
      }
      const actual = `sha256:${hash.digest('hex')}`;
      if (actual !== file.digest) throw fail('DIGEST_MISMATCH', { path: at, actual, expected: file.digest });
    },
  };
}

/** Errors of reading must not be taken for errors of writing the blob, so they are named here. */
async function* readFile(file: string): AsyncGenerator<Uint8Array, void> {
  const stream = createReadStream(file, { highWaterMark: 1 << 20 });
  try {
    yield* stream as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw fromSystemError(error, file, 'reading');
  } finally {
    stream.destroy();
  }
}
