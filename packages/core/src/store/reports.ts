/**
 * Reports in the store: each an OCI artifact whose `subject` is the release it speaks of, which is how a registry
 * finds it (referrers). It is outside the digest of the release, because it holds times and a host.
 */
import { z } from 'zod';
import { canonicalJson, type Digest } from '../digest.ts';
import { fail } from '../errors.ts';
import { type Report, REPORT_SCHEMA } from '../report.ts';
import { LIMITS } from '../limits.ts';
import { discard, readJsonBlob, type StagedBlob, stageBytes } from './blobs.ts';
import { type Descriptor, MEDIA, ociManifestSchema } from './layout.ts';
import { descriptor } from './pack.ts';
import { blobPath, type Place } from './place.ts';

const reportSchema = z.looseObject({
  schema: z.string().startsWith('slipway.report/'),
  name: z.string(),
  candidates: z.array(z.unknown()),
});

export interface StagedReport {
  readonly blobs: readonly StagedBlob[];
  readonly descriptor: Descriptor;
}

export async function stageReport(place: Place, report: Report, subject: Descriptor): Promise<StagedReport> {
  const blobs: StagedBlob[] = [];
  const stage = async (content: string): Promise<StagedBlob> => {
    const blob = await stageBytes(place, content);
    blobs.push(blob);
    return blob;
  };
  try {
    const config = await stage('{}');
    const layer = await stage(JSON.stringify(report));
    const manifest = await stage(
      canonicalJson({
        schemaVersion: 2,
        mediaType: MEDIA.manifest,
        artifactType: MEDIA.report,
        config: descriptor(MEDIA.empty, config),
        layers: [descriptor(MEDIA.report, layer)],
        subject,
      }),
    );
    return { blobs, descriptor: { ...descriptor(MEDIA.manifest, manifest), artifactType: MEDIA.report } };
  } catch (error) {
    await discard(blobs);
    throw error;
  }
}

/** null when another version of Slipway wrote it, in a form this one does not know. @throws STORE_CORRUPT, DIGEST_MISMATCH */
export async function readStoredReport(place: Place, digest: Digest): Promise<Report | null> {
  const oci = await readJsonBlob(place, digest, LIMITS.maxOciManifestBytes, ociManifestSchema);
  const layer = oci.layers.find((each) => each.mediaType === MEDIA.report);
  if (layer === undefined) throw fail('STORE_CORRUPT', { path: blobPath(place, digest), problem: 'holds no report' });
  const report = await readJsonBlob(place, layer.digest, LIMITS.maxReportBytes, reportSchema);
  return report.schema === REPORT_SCHEMA ? (report as unknown as Report) : null;
}
