/** Uses a store that cannot be written, and prints what happened. Arguments: store, a model directory. */
import { openStore } from '../open.ts';
import { reportOf } from './model.ts';

const [directory = '', model = ''] = process.argv.slice(2);
const store = await openStore(directory);
const release = await store.resolve('digits');
await store.verify(release);
const codeOf = (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => 'ok',
    (error: unknown) => (error as { code?: string }).code ?? String(error),
  );
process.stdout.write(
  JSON.stringify({
    listed: (await store.list()).length,
    report: (await store.readReport(release))?.name,
    checkout: await store.checkout(release),
    again: await store.checkout(release),
    add: await codeOf(store.add(model, reportOf('digits'))),
    alias: await codeOf(store.setAlias('digits', 'champion')),
    collect: await codeOf(store.collectGarbage()),
    dryRun: await codeOf(store.collectGarbage({ dryRun: true })),
  }),
);
