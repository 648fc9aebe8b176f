/**
 * The store. Three rules keep it whole whatever happens to the process:
 *
 * 1. Nothing is referred to before it is there: blobs are durable before `index.json` names them.
 * 2. `index.json` is replaced by one rename; before it the old state holds, after it the new one.
 * 3. What changes the store holds the lock; the long work (packing) is done before, into temporary files that no reader
 *    looks at and a garbage collection leaves alone while they are young. Reading takes no lock and writes nothing.
 */
import { type Clock, systemClock } from '../clock.ts';
import type { Digest } from '../digest.ts';
import { ensureDirectory } from '../durable.ts';
import { fail, fromSystemError } from '../errors.ts';
import { type LockOptions, withLock } from '../lock.ts';
import { readModelDirectory } from '../model-directory.ts';
import type { Report } from '../report.ts';
import type { Garbage, Reference, Release, ReportReader, Store, StoreMaintenance } from '../store.ts';
import { LIMITS } from '../limits.ts';
import { commitBlobs, discard, readBlob, readJsonBlob, type StagedBlob } from './blobs.ts';
import { checkout, type Loaded } from './checkout.ts';
import { collect } from './garbage.ts';
import {
  entriesOf,
  type Entry,
  findEntry,
  initialise,
  nextVersion,
  readIndex,
  withEntry,
  writeIndex,
} from './index-file.ts';
import { ANNOTATION, MEDIA, type OciIndex, ociManifestSchema } from './layout.ts';
import type { OpenStoreOptions } from './open.ts';
import { descriptor, pack } from './pack.ts';
import { type Place, placeOf } from './place.ts';
import { checkAlias, parseReference } from './reference.ts';
import { readStoredReport, stageReport } from './reports.ts';
import { readModelManifest, unpack } from './unpack.ts';

/** Releases read at the same time: each holds a file open, of which a process may have few. */
const AT_ONCE = 16;
const DAY_MS = 24 * 60 * 60 * 1000;

export class OciStore implements Store, StoreMaintenance, ReportReader {
  readonly directory: string;
  readonly #place: Place;
  readonly #lock: LockOptions;
  readonly #clock: Pick<Clock, 'wall'>;
  /** Content never changes under a digest, so what was read once stays true. */
  readonly #loaded = new Map<Digest, Loaded>();

  /** @throws STORE_CORRUPT */
  static async open(directory: string, options: OpenStoreOptions): Promise<OciStore> {
    const place = placeOf(directory, options.step ?? (() => undefined));
    await readIndex(place);
    return new OciStore(place, options.lock ?? {}, options.clock ?? systemClock);
  }

  private constructor(place: Place, lock: LockOptions, clock: Pick<Clock, 'wall'>) {
    this.directory = place.root;
    this.#place = place;
    this.#lock = lock;
    this.#clock = clock;
  }

  async add(modelDirectory: string, report: Report | null): Promise<Release> {
    const place = this.#place;
    const model = await readModelDirectory(modelDirectory);
    await readIndex(place);
    const packed = await pack(place, model);
    const staged: StagedBlob[] = [...packed.blobs, packed.manifest];
    try {
      return await this.#change(async () => {
        const index = await readIndex(place);
        const { digest, size } = packed.manifest;
        const known = entriesOf(index).find((entry) => entry.digest === digest);
        const { name } = model.manifest;
        const createdAt = new Date(this.#clock.wall()).toISOString();
        const entry = known ?? {
          digest,
          name,
          version: nextVersion(index, name),
          aliases: [],
          createdAt,
          report: null,
        };
        let next = withEntry(index, entry, size);
        if (report !== null) {
          const subject = { ...descriptor(MEDIA.manifest, packed.manifest), artifactType: MEDIA.model };
          const document = await stageReport(
            place,
            { ...report, release: { digest, version: entry.version } },
            subject,
          );
          staged.push(...document.blobs);
          next = withoutManifest(next, entry.report);
          next = withEntry(
            { ...next, manifests: [...next.manifests, document.descriptor] },
            { ...entry, report: document.descriptor.digest },
            size,
          );
        }
        await commitBlobs(place, staged);
        if (known === undefined || report !== null) await writeIndex(place, next);
        return this.#find(next, { kind: 'digest', digest }, digest);
      });
    } finally {
      await discard(staged);
    }
  }

  async list(): Promise<readonly Release[]> {
    const entries = entriesOf(await readIndex(this.#place));
    await this.#place.step('index.read');
    const releases: Release[] = [];
    for (let at = 0; at < entries.length; at += AT_ONCE) {
      const some = entries.slice(at, at + AT_ONCE).map((entry) => this.#releaseUnlessRemoved(entry));
      releases.push(...(await Promise.all(some)).filter((release) => release !== null));
    }
    return releases;
  }

  async resolve(reference: string): Promise<Release> {
    const entry = this.#entry(await readIndex(this.#place), parseReference(reference), reference);
    const release = await this.#releaseUnlessRemoved(entry);
    if (release === null) throw fail('RELEASE_NOT_FOUND', { reference, store: this.directory });
    return release;
  }

  async checkout(release: Release): Promise<string> {
    return checkout(this.#place, release.digest, await this.#load(release.digest));
  }

  async readReport(release: Release): Promise<Report | null> {
    const { report } = this.#entry(
      await readIndex(this.#place),
      { kind: 'digest', digest: release.digest },
      release.digest,
    );
    return report === null ? null : readStoredReport(this.#place, report);
  }

  async setAlias(reference: string, alias: string | null): Promise<Release> {
    const parsed = parseReference(reference);
    if (alias !== null) checkAlias(alias);
    else if (parsed.kind !== 'alias') {
      throw fail('REFERENCE_INVALID', { reference, problem: 'write NAME@ALIAS to take an alias off' });
    }
    const moved = alias ?? (parsed.kind === 'alias' ? parsed.alias : '');
    this.#entry(await readIndex(this.#place), parsed, reference);
    return this.#change(async () => {
      const index = await readIndex(this.#place);
      const target = this.#entry(index, parsed, reference);
      let next = index;
      for (const entry of entriesOf(index)) {
        if (entry.name !== target.name) continue;
        const others = entry.aliases.filter((each) => each !== moved);
        const aliases = alias !== null && entry.digest === target.digest ? [...others, alias] : others;
        next = withEntry(next, { ...entry, aliases }, entry.descriptor.size);
      }
      await writeIndex(this.#place, next);
      return this.#find(next, { kind: 'digest', digest: target.digest }, reference);
    });
  }

  async remove(reference: string): Promise<void> {
    const parsed = parseReference(reference);
    this.#entry(await readIndex(this.#place), parsed, reference);
    await this.#change(async () => {
      const index = await readIndex(this.#place);
      const entry = this.#entry(index, parsed, reference);
      const [alias] = entry.aliases;
      if (alias !== undefined) throw fail('RELEASE_ALIASED', { reference: `${entry.name}:${entry.version}`, alias });
      const last = { [`${ANNOTATION.lastVersion}.${entry.name}`]: String(nextVersion(index, entry.name) - 1) };
      const without = withoutManifest(withoutManifest(index, entry.digest), entry.report);
      await writeIndex(this.#place, { ...without, annotations: { ...without.annotations, ...last } });
    });
  }

  async collectGarbage(
    options: { readonly dryRun?: boolean; readonly temporaryAgeMs?: number } = {},
  ): Promise<Garbage> {
    const dryRun = options.dryRun === true;
    const keepSince = this.#clock.wall() - (options.temporaryAgeMs ?? DAY_MS);
    const run = async (): Promise<Garbage> => collect(this.#place, await readIndex(this.#place), { dryRun, keepSince });
    return dryRun ? run() : this.#change(run);
  }

  async verify(release: Release): Promise<void> {
    const place = this.#place;
    const entry = this.#entry(await readIndex(place), { kind: 'digest', digest: release.digest }, release.digest);
    this.#loaded.delete(entry.digest);
    const { oci, manifest } = await this.#load(entry.digest);
    await readBlob(place, oci.config.digest, LIMITS.maxOciManifestBytes);
    await unpack(place, oci, manifest, async (_name, content) => {
      for await (const _ of content);
    });
    if (entry.report !== null) await readStoredReport(place, entry.report);
  }

  /** Run what changes the store: alone, and with the store in existence. */
  async #change<T>(action: () => Promise<T>): Promise<T> {
    await ensureDirectory(this.#place.root).catch((error: unknown) => {
      throw fromSystemError(error, this.#place.root, 'creating the store');
    });
    return withLock(
      this.#place.lock,
      async () => {
        await this.#place.step('lock.taken');
        try {
          await initialise(this.#place);
          return await action();
        } catch (error) {
          throw fromSystemError(error, this.#place.root, 'changing the store');
        }
      },
      this.#lock,
    );
  }

  #entry(index: OciIndex, reference: Reference, text: string): Entry {
    const entry = findEntry(entriesOf(index), reference);
    if (entry === undefined) throw fail('RELEASE_NOT_FOUND', { reference: text, store: this.directory });
    return entry;
  }

  #find(index: OciIndex, reference: Reference, text: string): Promise<Release> {
    return this.#release(this.#entry(index, reference, text));
  }

  /** Reading takes no lock, so that the blobs of a release may be collected just after its entry was read. */
  async #releaseUnlessRemoved(entry: Entry): Promise<Release | null> {
    try {
      return await this.#release(entry);
    } catch (error) {
      const now = entriesOf(await readIndex(this.#place));
      if (now.some((each) => each.digest === entry.digest)) throw error;
      return null;
    }
  }

  async #release(entry: Entry): Promise<Release> {
    const { manifest } = await this.#load(entry.digest);
    const { digest, name, version, aliases, createdAt } = entry;
    const bytes = manifest.files.reduce((sum, file) => sum + file.size, 0);
    return { digest, name, version, aliases, createdAt, manifest, bytes };
  }

  async #load(digest: Digest): Promise<Loaded> {
    const known = this.#loaded.get(digest);
    if (known !== undefined) return known;
    const oci = await readJsonBlob(this.#place, digest, LIMITS.maxOciManifestBytes, ociManifestSchema);
    const loaded = { oci, manifest: await readModelManifest(this.#place, oci) };
    this.#loaded.set(digest, loaded);
    return loaded;
  }
}

const withoutManifest = (index: OciIndex, digest: Digest | null): OciIndex => ({
  ...index,
  manifests: index.manifests.filter((each) => each.digest !== digest),
});
