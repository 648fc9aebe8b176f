import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../digest.ts';
import { openStore } from './open.ts';
import type { Report } from '../report.ts';
import { reportOf, writeModel } from './testing/model.ts';

let root: string;
let count = 0;
const fresh = (): string => path.join(root, String(count++));
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'slipway-store-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

interface Document {
  artifactType: string;
  config: { digest: string };
  layers: { mediaType: string; digest: string }[];
  manifests: { annotations?: Record<string, string> }[];
  modelfs: { diffIds: string[] };
}
const readJson = async (...segments: string[]): Promise<Document> =>
  JSON.parse(await readFile(path.join(...segments), 'utf8')) as Document;

const model = (content: string, name = 'digits') =>
  writeModel(fresh(), name, { 'model.onnx': content, 'golden.npz': 'pairs', 'sub/labels.txt': 'zero\none\n' });

describe('openStore', () => {
  it('reads an absent directory as an empty store and does not create it', async () => {
    const directory = fresh();
    const store = await openStore(directory);
    expect(await store.list()).toEqual([]);
    await expect(store.resolve('digits')).rejects.toMatchObject({ code: 'RELEASE_NOT_FOUND' });
    await expect(stat(directory)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('refuses a directory that is something else, an unknown layout version, and a damaged index', async () => {
    const directory = fresh();
    await mkdir(directory);
    await writeFile(path.join(directory, 'thesis.doc'), '');
    await expect(openStore(directory)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
    const other = fresh();
    await (await openStore(other)).add(await model('a'), null);
    await writeFile(path.join(other, 'index.json'), '{"schemaVersion":2,"manifests":[{}]}');
    await expect(openStore(other)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
    await writeFile(path.join(other, 'oci-layout'), '{"imageLayoutVersion":"9"}');
    await expect(openStore(other)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
  });

  it('is an OCI image layout with a ModelPack artifact', async () => {
    const directory = fresh();
    const release = await (await openStore(directory)).add(await model('a'), null);
    expect(JSON.parse(await readFile(path.join(directory, 'oci-layout'), 'utf8'))).toEqual({
      imageLayoutVersion: '1.0.0',
    });
    const index = await readJson(directory, 'index.json');
    expect(index.manifests[0]!.annotations!['org.opencontainers.image.ref.name']).toBe('digits:1');
    const blob = (digest: string) => path.join(directory, 'blobs/sha256', digest.slice(7));
    const manifest = await readJson(blob(release.digest));
    expect(manifest.artifactType).toBe('application/vnd.cncf.model.manifest.v1+json');
    expect(manifest.layers.map((layer) => layer.mediaType)).toEqual([
      'application/vnd.cncf.model.weight.v1.tar',
      'application/vnd.cncf.model.weight.config.v1.tar',
    ]);
    const config = await readJson(blob(manifest.config.digest));
    expect(config.modelfs.diffIds).toEqual(manifest.layers.map((layer) => layer.digest));
    for (const hex of await readdir(path.join(directory, 'blobs/sha256'))) {
      expect(digestOf(await readFile(blob(`sha256:${hex}`)))).toBe(`sha256:${hex}`);
    }
    expect(await readdir(path.join(directory, 'tmp'))).toEqual([]);
  });
});

describe('add', () => {
  it('numbers versions per name, and gives the same content its release again', async () => {
    const store = await openStore(fresh());
    const first = await store.add(await model('a'), null);
    const second = await store.add(await model('b'), null);
    const other = await store.add(await model('a', 'letters'), null);
    expect([first.version, second.version, other.version]).toEqual([1, 2, 1]);
    expect(await store.add(await model('a'), null)).toEqual(first);
    expect((await store.list()).map((release) => `${release.name}:${release.version}`)).toEqual([
      'digits:1',
      'digits:2',
      'letters:1',
    ]);
    expect((await store.resolve('digits')).digest).toBe(second.digest);
    expect((await store.resolve('digits:1')).digest).toBe(first.digest);
    expect((await store.resolve(first.digest)).version).toBe(1);
    expect(first.bytes).toBe(1 + 5 + 9);
  });

  it('gives the same digest whatever the modes, times, order and layout of slipway.json', async () => {
    const a = fresh();
    const b = fresh();
    await writeModel(a, 'digits', { 'model.onnx': 'm', 'b/c.txt': 'c', 'a.txt': 'a' });
    const before = process.umask(0o077);
    await writeModel(b, 'digits', { 'a.txt': 'a', 'b/c.txt': 'c', 'model.onnx': 'm' }).finally(() =>
      process.umask(before),
    );
    await utimes(path.join(b, 'a.txt'), 1, 1);
    await chmod(path.join(b, 'a.txt'), 0o755);
    const compact = JSON.stringify(JSON.parse(await readFile(path.join(b, 'slipway.json'), 'utf8')));
    await writeFile(path.join(b, 'slipway.json'), compact);
    const one = await (await openStore(fresh(), { clock: { wall: () => 0 } })).add(a, null);
    const two = await (await openStore(fresh())).add(b, null);
    expect(two.digest).toBe(one.digest);
    expect(one.createdAt).toBe('1970-01-01T00:00:00.000Z');
  });

  it('keeps the newest report, outside the digest', async () => {
    const store = await openStore(fresh());
    const directory = await model('a');
    const bare = await store.add(directory, null);
    expect(await store.readReport(bare)).toBeNull();
    const release = await store.add(directory, reportOf('digits', 5));
    expect(release).toEqual(bare);
    await store.add(directory, reportOf('digits', 7));
    const report = await store.readReport(release);
    expect(report).toEqual({ ...reportOf('digits', 7), release: { digest: release.digest, version: 1 } });
    await store.collectGarbage({ temporaryAgeMs: 0 });
    expect(await store.readReport(release)).toEqual(report);
    await store.verify(release);
  });

  it('has no report where another version wrote a form this one does not know', async () => {
    const store = await openStore(fresh());
    const report = { ...reportOf('digits', 5), schema: 'slipway.report/v1' } as unknown as Report;
    const release = await store.add(await model('a'), report);
    expect(await store.readReport(release)).toBeNull();
    await store.verify(release);
  });

  it('refuses a file that is not what slipway.json says, and keeps nothing', async () => {
    const directory = fresh();
    const store = await openStore(directory);
    const source = await model('a');
    await writeFile(path.join(source, 'model.onnx'), 'b');
    await expect(store.add(source, null)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    expect(await store.list()).toEqual([]);
    expect(await readdir(path.join(directory, 'tmp'))).toEqual([]);
  });
});

describe('checkout', () => {
  it('returns the bytes of any set of files', async () => {
    const segment = fc.stringMatching(/^[a-zé]{1,8}$/);
    const name = fc
      .array(segment, { minLength: 1, maxLength: 30 })
      .map((segments) => segments.map((s) => `_${s}`).join('/'));
    const content = fc.uint8Array({ maxLength: 3000 });
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(
          name.map((n) => `${n}.bin`),
          content,
          { maxKeys: 6 },
        ),
        content,
        async (extra, weights) => {
          const files = { ...extra, 'model.onnx': weights };
          const store = await openStore(fresh());
          const release = await store.add(await writeModel(fresh(), 'any', files), null);
          const directory = await store.checkout(release);
          for (const [at, bytes] of Object.entries(files)) {
            expect(new Uint8Array(await readFile(path.join(directory, at)))).toEqual(new Uint8Array(bytes));
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it('is shared, safe at once, and made again when damaged', async () => {
    const directory = fresh();
    const release = await (await openStore(directory)).add(await model('a'), null);
    const stores = await Promise.all([1, 2, 3, 4].map(() => openStore(directory)));
    const places = await Promise.all(stores.map((store) => store.checkout(release)));
    expect(new Set(places).size).toBe(1);
    const file = path.join(places[0]!, 'model.onnx');
    await rm(file);
    await writeFile(file, 'b');
    expect(await stores[0]!.checkout(release)).toBe(places[0]);
    expect(await readFile(file, 'utf8')).toBe('a');
  });

  it.each(['flip', 'cut', 'remove'])('refuses a blob after: %s', async (damage) => {
    const directory = fresh();
    const store = await openStore(directory);
    const release = await store.add(await model('weights of the model'), reportOf('digits'));
    const layer = (await readJson(directory, 'blobs/sha256', release.digest.slice(7))).layers[0]!;
    const file = path.join(directory, 'blobs/sha256', layer.digest.slice(7));
    const bytes = await readFile(file);
    bytes[bytes.indexOf('weights of')] = 0x57;
    if (damage === 'remove') await rm(file);
    else await writeFile(file, damage === 'flip' ? bytes : bytes.subarray(0, 512));
    const code = damage === 'flip' ? 'DIGEST_MISMATCH' : 'STORE_CORRUPT';
    await expect(store.checkout(release)).rejects.toMatchObject({ code });
    await expect(store.verify(release)).rejects.toMatchObject({ code });
    expect(await readdir(path.join(directory, 'tmp'))).toEqual([]);
    // Adding the same content heals it.
    await store.add(await model('weights of the model'), null);
    await store.verify(release);
  });
});

describe('maintenance', () => {
  it('moves and takes off aliases', async () => {
    const store = await openStore(fresh());
    await store.add(await model('a'), null);
    await store.add(await model('b'), null);
    expect((await store.setAlias('digits:1', 'champion')).aliases).toEqual(['champion']);
    expect((await store.setAlias('digits', 'champion')).version).toBe(2);
    expect((await store.resolve('digits@champion')).version).toBe(2);
    expect((await store.resolve('digits:1')).aliases).toEqual([]);
    expect((await store.setAlias('digits@champion', null)).aliases).toEqual([]);
    await expect(store.setAlias('digits@champion', null)).rejects.toMatchObject({ code: 'RELEASE_NOT_FOUND' });
    await expect(store.setAlias('digits', '7')).rejects.toMatchObject({ code: 'ALIAS_INVALID' });
    await expect(store.setAlias('digits', null)).rejects.toMatchObject({ code: 'REFERENCE_INVALID' });
  });

  it('removes a release, but not an aliased one, and never gives its version again', async () => {
    const directory = fresh();
    const store = await openStore(directory);
    await store.add(await model('a'), reportOf('digits'));
    const second = await store.add(await model('b'), reportOf('digits'));
    await store.checkout(second);
    await store.setAlias('digits:2', 'champion');
    await expect(store.remove('digits:2')).rejects.toMatchObject({ code: 'RELEASE_ALIASED', exitCode: 5 });
    await store.setAlias('digits@champion', null);
    await store.remove('digits:2');
    await expect(store.resolve('digits:2')).rejects.toMatchObject({ code: 'RELEASE_NOT_FOUND' });
    const planned = await store.collectGarbage({ dryRun: true });
    const done = await store.collectGarbage();
    expect(done).toEqual(planned);
    // Manifest, config, weights, slipway.json; report and its manifest. The empty config of reports is still in use.
    expect(done.removedBlobs.length).toBe(6);
    expect(await readdir(path.join(directory, 'checkouts'))).toEqual([]);
    expect((await store.collectGarbage()).removedBlobs).toEqual([]);
    await store.verify(await store.resolve('digits'));
    expect((await store.add(await model('c'), null)).version).toBe(3);
  });

  it('keeps what other tools put into the layout, and young temporary files', async () => {
    const directory = fresh();
    const store = await openStore(directory);
    await store.add(await model('a'), null);
    const foreign = Buffer.from('anything');
    const digest = digestOf(foreign);
    const at = path.join(directory, 'blobs/sha256', digest.slice(7));
    await writeFile(at, foreign);
    const file = path.join(directory, 'index.json');
    const index = await readJson(file);
    const entry = {
      mediaType: 'application/x-unknown',
      digest,
      size: foreign.length,
      annotations: { theirs: '1' },
      extra: [1],
    };
    index.manifests.push(entry);
    await writeFile(file, JSON.stringify(index));
    await writeFile(path.join(directory, 'tmp', 'young'), '123');
    await store.setAlias('digits', 'champion');
    expect(await store.collectGarbage()).toEqual({ removedBlobs: [], bytes: 0 });
    expect((await readJson(file)).manifests).toContainEqual(entry);
    expect(await store.collectGarbage({ temporaryAgeMs: -60_000 })).toEqual({ removedBlobs: [], bytes: 3 });
  });

  it('lists what is left when a release is removed and collected while it is read', async () => {
    const directory = fresh();
    const store = await openStore(directory);
    for (const content of ['a', 'b', 'c']) await store.add(await model(content), null);
    const step = async (): Promise<void> => {
      await store.remove('digits:2');
      await store.collectGarbage();
    };
    const reader = await openStore(directory, { step });
    expect((await reader.list()).map((release) => release.version)).toEqual([1, 3]);
  });

  it('removes a damaged release, and collects nothing while there is one', async () => {
    const directory = fresh();
    const store = await openStore(directory);
    const release = await store.add(await model('a'), null);
    await store.add(await model('b'), null);
    await writeFile(path.join(directory, 'blobs/sha256', release.digest.slice(7)), '{}');
    const reader = await openStore(directory);
    await expect(reader.list()).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    expect((await reader.resolve('digits:2')).version).toBe(2);
    await expect(reader.collectGarbage()).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    await reader.remove('digits:1');
    expect((await reader.collectGarbage()).removedBlobs.length).toBe(4);
    await reader.verify(await reader.resolve('digits'));
  });
});
