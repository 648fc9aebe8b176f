/** Slipway itself as a server under test. Usage: slipway.ts NAME=PATH THREADS [rest | grpc]: the port it prints */
import { createLogger } from '@slipway/core';
import { startServer } from '@slipway/serve';

const [model = '', threads = '1', port = 'rest'] = process.argv.slice(2);
const [name = '', path = ''] = model.split('=');
const server = await startServer({
  models: [{ name, path }],
  restPort: 0,
  grpcPort: 0,
  adminPort: 0,
  threads: Number(threads),
  pollIntervalMs: 200,
  logger: createLogger('error'),
});
await server.ready;
console.log(`listening ${port === 'grpc' ? server.grpc?.port : server.rest.port}`);
process.on('SIGTERM', () => void server.close().then(() => process.exit(0)));
