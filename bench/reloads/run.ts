/**
 * Does a server grow when models are loaded and unloaded? One model is loaded again, from its bytes, RELOADS times (200), and after
 * each the memory and the open files of the server are read. A line is fitted to the second half: the first is the warm-up of
 * the collector and of the allocator.
 */
import { createLogger } from '@slipway/core';
import { startServer } from '@slipway/serve';
import { readdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { scalingModel } from '../../tests/small-models.ts';

const RELOADS = Number(process.env['RELOADS'] ?? 200);

const directory = await mkdtemp(path.join(tmpdir(), 'slipway-reloads-'));
const file = path.join(directory, 'm.onnx');
await writeFile(file, scalingModel(1));
const server = await startServer({
  models: [{ name: 'm', path: file }],
  modelControl: 'explicit',
  restPort: 0,
  grpcPort: 0,
  adminPort: 0,
  threads: 1,
  logger: createLogger('silent'),
});
await server.ready;
const rss: number[] = [];
const files: number[] = [];
for (let reload = 1; reload <= RELOADS; reload++) {
  await server.control.load('m', { files: new Map([['1/model.onnx', Buffer.from(scalingModel(reload))]]) });
  const answer = await fetch(`${server.rest.url}/v1/models/m:predict`, { method: 'POST', body: '{"instances":[[1]]}' });
  const { predictions } = (await answer.json()) as { predictions: number[][] };
  if (predictions[0]?.[0] !== reload) throw new Error(`reload ${reload} answered ${JSON.stringify(predictions)}`);
  rss.push(process.memoryUsage.rss());
  files.push(readdirSync('/proc/self/fd').length);
}
await server.close();
await rm(directory, { recursive: true, force: true });

const half = RELOADS >> 1;
const result = {
  reloads: RELOADS,
  rssMiB: { first: mebibytes(rss[0]), last: mebibytes(rss.at(-1)) },
  rssSlopeMiBPerReload: Number((slope(rss.slice(half)) / 2 ** 20).toFixed(4)),
  openFiles: { first: files[0], last: files.at(-1) },
};
writeFileSync(path.join(import.meta.dirname, 'result.json'), `${JSON.stringify(result, null, 2)}\n`);
console.log(JSON.stringify(result, null, 2));
if (result.rssSlopeMiBPerReload > 1) throw new Error('more than 1 MiB a reload');

function mebibytes(bytes = 0): number {
  return Math.round(bytes / 2 ** 20);
}

/** Of the least-squares line through the values, per value. */
function slope(values: readonly number[]): number {
  const mean = (values.length - 1) / 2;
  const average = values.reduce((sum, value) => sum + value, 0) / values.length;
  const covariance = values.reduce((sum, value, index) => sum + (index - mean) * (value - average), 0);
  return covariance / values.reduce((sum, _, index) => sum + (index - mean) ** 2, 0);
}
