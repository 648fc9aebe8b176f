/**
 * Loading leaves garbage that V8 would keep as long as the process is idle, because it collects when somebody allocates. One
 * collection gives about 10 MB back. The inspector is the way Node documents to ask for it; flags set after the start are not.
 */
import { Session } from 'node:inspector/promises';

export async function collectGarbage(): Promise<void> {
  const session = new Session();
  session.connect();
  try {
    await session.post('HeapProfiler.collectGarbage');
  } finally {
    session.disconnect();
  }
}
