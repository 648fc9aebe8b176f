/**
 * The server people write first: `node:http`, one `session.run` per request in the same process, no batching.
 * Usage: unbatched.ts MODEL.onnx THREADS ROW_SHAPE (comma separated, without the batch axis)
 */
import { createServer } from 'node:http';
import { createSession, ort } from './ort.ts';

const [file = '', threads = '1', row = ''] = process.argv.slice(2);
const shape = row.split(',').map(Number);
const session = await createSession(file, Number(threads));
const [input = ''] = session.inputNames;
const [output = ''] = session.outputNames;

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    void (async () => {
      const { instances } = JSON.parse(Buffer.concat(chunks).toString()) as { instances: number[][] };
      const tensor = new ort.Tensor('float32', Float32Array.from(instances.flat()), [instances.length, ...shape]);
      const result = (await session.run({ [input]: tensor }))[output];
      if (result === undefined) throw new Error(`no output ${output}`);
      const width = result.data.length / instances.length;
      const predictions = instances.map((_, i) => Array.from(result.data.subarray(i * width, (i + 1) * width)));
      const body = Buffer.from(JSON.stringify({ predictions }));
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
      response.end(body);
    })();
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(`listening ${typeof address === 'object' && address !== null ? address.port : 0}`);
});
process.on('SIGTERM', () => process.exit(0));
