/** Shutting down under load: a client that keeps its connection is told that it closes, and is never reset. */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { oneWeightModel } from './testing/onnx.ts';
import { serving } from './testing/serving.ts';

it('answers what clients send on the connections they have, and resets none', async () => {
  const { server } = await serving({ one: oneWeightModel() });
  await server.ready;
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const counts = new Map<string, number>();
  const ask = (): Promise<string> =>
    new Promise((resolve) => {
      const options = { method: 'POST', agent, headers: { 'content-type': 'application/json' } };
      request(`${server.rest.url}/v1/models/one:predict`, options, (response) => {
        response.resume();
        response.on('end', () => resolve(String(response.statusCode)));
      })
        .on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
        .end('{"instances": [[1]]}');
    });
  const client = async (pauseMs: number): Promise<void> => {
    let outcome = '';
    while (outcome !== 'ECONNREFUSED') {
      outcome = await ask();
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      await sleep(pauseMs);
    }
  };
  const clients = Array.from({ length: 8 }, (_, i) => client(i % 3));
  await sleep(300);
  await server.close();
  await Promise.all(clients);
  agent.destroy();
  expect([...counts.keys()].sort()).toEqual(['200', 'ECONNREFUSED']);
  expect(counts.get('200')).toBeGreaterThan(8);
});
