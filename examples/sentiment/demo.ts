/** From a trained encoder to labels for sentences, in one go: `npm run demo:sentiment`. Build, serve, ask, print, stop. */
import path from 'node:path';
import { createLogger, fail, openStore } from '@slipway/core';
import { compileConfig } from '@slipway/core/schemas';
import { build, renderReport } from '@slipway/prepare';
import { startServer } from '@slipway/serve';
import project from './slipway.config.ts';

const config = compileConfig(project, path.join(import.meta.dirname, 'slipway.config.ts'));
const { report, failure } = await build(config);
console.log(`\n${renderReport(report, { width: process.stdout.columns || 100, color: false })}\n`);
if (failure !== null) throw failure;

const server = await startServer({
  store: await openStore(config.store),
  restPort: 0,
  grpcPort: null,
  adminPort: 0,
  logger: createLogger('silent'),
});
try {
  await server.ready;
  const url = `${server.rest.url}/v1/models/${config.name}:predict`;
  for (const text of ['This movie was terrible!', 'What a wonderful film.']) {
    const body = JSON.stringify({ instances: [{ text }] });
    const response = await fetch(url, { method: 'POST', body });
    const answer = await response.text();
    if (!response.ok) throw fail('INTERNAL', { problem: `POST ${url} answered ${response.status}: ${answer}` });
    console.log(`POST ${url}\n  ${body}\n  ${answer}\n`);
  }
} finally {
  await server.close();
}
