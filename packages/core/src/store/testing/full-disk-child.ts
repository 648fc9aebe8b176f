/**
 * Adds models to a store on a file system with less and less room, and prints what happened. Arguments: a folder on a
 * small file system, and one elsewhere for the models.
 */
import { readdir, rm, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { openStore } from '../open.ts';
import { reportOf, writeModel } from './model.ts';

const [small = '', roomy = ''] = process.argv.slice(2);
const store = await openStore(path.join(small, 'store'));
const filler = path.join(small, 'filler');
const outcomes: { free: number; code: string; listed: number; temporary: number }[] = [];

for (let pages = 0; pages < 24; pages++) {
  const model = await writeModel(path.join(roomy, String(pages)), 'digits', {
    'model.onnx': Buffer.alloc(20_000, pages + 1),
  });
  await rm(filler, { force: true });
  await store.collectGarbage({ temporaryAgeMs: 0 });
  const { bavail, bsize } = await statfs(small);
  await writeFile(filler, Buffer.alloc(Math.max(0, bavail - pages) * bsize));
  const code = await store.add(model, reportOf('digits')).then(
    () => 'ok',
    (error: unknown) => (error as { code?: string }).code ?? String(error),
  );
  for (const release of await store.list()) await store.verify(release);
  const temporary = await readdir(path.join(small, 'store', 'tmp')).catch(() => []);
  outcomes.push({ free: pages, code, listed: (await store.list()).length, temporary: temporary.length });
}
process.stdout.write(JSON.stringify(outcomes));
