/**
 * Does one thing to a store in a process of its own. After every step it copies the store as it is on disk then, into
 * SNAPSHOTS/NUMBER-STEP; at the step named FATAL it ends by SIGKILL. Arguments: store, action, argument of the action, SNAPSHOTS or
 * '', FATAL or ''.
 */
import { cpSync, existsSync } from 'node:fs';
import path from 'node:path';
import { openStore } from '../open.ts';
import { reportOf } from './model.ts';

const [directory = '', action = '', argument = '', snapshots = '', fatal = ''] = process.argv.slice(2);
let count = 0;
const store = await openStore(directory, {
  step: (name) => {
    if (name === fatal) process.kill(process.pid, 'SIGKILL');
    if (snapshots === '' || !existsSync(directory)) return;
    cpSync(directory, path.join(snapshots, `${count++}-${name}`), { recursive: true });
  },
});
if (action === 'add') await store.add(argument, reportOf('digits'));
else if (action === 'alias') await store.setAlias('digits:1', argument);
else if (action === 'remove') await store.remove(argument);
else if (action === 'collect') await store.collectGarbage();
else if (action === 'checkout') await store.checkout(await store.resolve(argument));
else throw new Error(`unknown action ${action}`);
