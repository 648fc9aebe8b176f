/** The server under test: one weight, one input, one runner. Prints its port. */
import { createLogger } from '@slipway/core';
import { startServer } from '@slipway/serve';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { oneWeightModel, writeModelFile } from '@slipway/onnx';

const directory = mkdtempSync(path.join(tmpdir(), 'slipway-bench-'));
const file = path.join(directory, 'one.onnx');
await writeModelFile(file, oneWeightModel());
const server = await startServer({
  models: [{ name: 'one', path: file }],
  restPort: 0,
  adminPort: 0,
  threads: 1,
  logger: createLogger('silent'),
});
await server.ready;
console.log(server.rest.port);
process.on('SIGTERM', () => {
  void server.close().then(() => {
    rmSync(directory, { recursive: true });
    process.exit(0);
  });
});
