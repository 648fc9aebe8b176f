/**
 * The words of the OCI image layout and of ModelPack that the store writes, and the shapes it accepts when reading.
 *
 * What is digested (the OCI manifest, its config and layers) holds nothing that differs between two builds of the same
 * input. Name and version, time, aliases and the report are annotations of the descriptor in `index.json`.
 * Unknown media types and members are kept as they are: other tools may keep things in the same layout.
 */
import { z } from 'zod';
import { type Digest, isDigest } from '../digest.ts';

export const MEDIA = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  empty: 'application/vnd.oci.empty.v1+json',
  model: 'application/vnd.cncf.model.manifest.v1+json',
  modelConfig: 'application/vnd.cncf.model.config.v1+json',
  weights: 'application/vnd.cncf.model.weight.v1.tar',
  weightsConfig: 'application/vnd.cncf.model.weight.config.v1.tar',
  report: 'application/vnd.slipway.report.v1+json',
} as const;

export const ANNOTATION = {
  /** OCI: the tag; here NAME:VERSION. */
  refName: 'org.opencontainers.image.ref.name',
  /** ModelPack: where the content of a layer goes. */
  filePath: 'org.cncf.model.filepath',
  /** On the OCI manifest: digest of slipway.json, so that it can be read and trusted without reading its layer. */
  modelManifest: 'dev.slipway.manifest',
  createdAt: 'dev.slipway.created-at',
  /** Separated by commas. */
  aliases: 'dev.slipway.aliases',
  /** Digest of the OCI manifest of the report. */
  report: 'dev.slipway.report',
  /** On the index, with `.NAME`: the highest version ever given, so that a removed one is not given again. */
  lastVersion: 'dev.slipway.last-version',
} as const;

/** Files of a model are under this folder in its layers: the place where image-volume mounts look for them. */
export const LAYER_ROOT = 'models';

export const LAYOUT_MARKER = '{"imageLayoutVersion":"1.0.0"}';

const digest = z.custom<Digest>(isDigest, 'must be sha256: and 64 hexadecimal digits');
const annotations = z.record(z.string(), z.string());

export const descriptorSchema = z.looseObject({
  mediaType: z.string(),
  digest,
  size: z.int().min(0),
  artifactType: z.string().optional(),
  annotations: annotations.optional(),
});

export type Descriptor = z.infer<typeof descriptorSchema>;

export const indexSchema = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.literal(MEDIA.index).optional(),
  manifests: z.array(descriptorSchema),
  annotations: annotations.optional(),
});

export type OciIndex = z.infer<typeof indexSchema>;

export const ociManifestSchema = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.literal(MEDIA.manifest).optional(),
  artifactType: z.string().optional(),
  config: descriptorSchema,
  layers: z.array(descriptorSchema),
  subject: descriptorSchema.optional(),
  annotations: annotations.optional(),
});

export type OciManifest = z.infer<typeof ociManifestSchema>;

export const layoutMarkerSchema = z.looseObject({ imageLayoutVersion: z.literal('1.0.0') });
