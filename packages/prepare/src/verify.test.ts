import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { digestOf, openStore, readNpz, tensor, writeManifest, writeNpz } from '@slipway/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { build } from './pipeline/build.ts';
import { makeProject, type Project } from './testing/projects.ts';
import { verifyRelease } from './verify.ts';

let project: Project;
beforeEach(async () => {
  project = await makeProject();
});
afterEach(() => project.remove());

describe('verifyRelease', () => {
  it('reproduces digests and golden samples', async () => {
    const { release } = await build(project.config());
    const verified = await verifyRelease(await openStore(project.config().store), release!);
    expect(verified).toMatchObject({ files: 2, bytes: release!.bytes, golden: { count: 8 } });
    expect(verified.loadMs).toBeGreaterThan(0);
  });

  it('notices a changed byte in the store', async () => {
    const { release } = await build(project.config());
    const store = project.config().store;
    const blobs = path.join(store, 'blobs', 'sha256');
    const largest = readdirSync(blobs)
      .map((name) => path.join(blobs, name))
      .sort((a, b) => statSync(b).size - statSync(a).size)[0]!;
    const content = readFileSync(largest);
    content[content.length >> 1]! ^= 1;
    writeFileSync(largest, content);
    await expect(verifyRelease(await openStore(store), release!)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  });

  it('notices a model that computes something else', async () => {
    const { release } = await build(project.config());
    const store = await openStore(project.config().store);
    // A release whose golden answers are not those of the model stands for another engine or another CPU.
    const directory = path.join(project.directory, 'other');
    cpSync(await store.checkout(release!), directory, { recursive: true });
    const file = path.join(directory, 'golden.npz');
    const arrays = [...readNpz(file)].map(([name, value]) =>
      name.startsWith('output/') && value.dtype === 'float32'
        ? ([
            name,
            tensor(
              'float32',
              value.shape,
              value.data.map((x) => x + 1),
            ),
          ] as const)
        : ([name, value] as const),
    );
    const content = writeNpz(arrays);
    writeFileSync(file, content);
    const { manifest } = release!;
    const files = manifest.files.map((each) =>
      each.role === 'golden' ? { ...each, digest: digestOf(content), size: content.length } : each,
    );
    await writeManifest(directory, { ...manifest, files });
    const changed = await store.add(directory, null);
    await expect(verifyRelease(store, changed)).rejects.toMatchObject({ code: 'GOLDEN_MISMATCH' });
    await verifyRelease(store, release!);
  });
});
