import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { fetchStatus } from './fetch-status.ts';

const servers: Server[] = [];
afterEach(() => servers.splice(0).forEach((server) => void server.close()));

async function answering(status: number, body: string): Promise<string> {
  const server = createServer((request, response) => {
    response.writeHead(request.url === '/status' ? status : 404).end(body);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('fetchStatus', () => {
  it('gives what the server says', async () => {
    const said = { name: 'slipway', version: '0.1.0', ready: true, models: [] };
    expect(await fetchStatus(await answering(200, JSON.stringify(said)))).toEqual(said);
  });

  it.each([
    ['another server', 200, '{"name": "nginx", "models": []}', 'not a Slipway server'],
    ['a page', 200, '<html>', 'not JSON'],
    ['nothing under that path', 404, '', 'it answered 404'],
  ])('says so when it is %s', async (_, status, body, problem) => {
    const url = await answering(status, body);
    await expect(fetchStatus(url)).rejects.toMatchObject({
      code: 'UNREACHABLE',
      params: { url, problem: expect.stringContaining(problem) as string },
    });
  });

  it('says so when nothing listens', async () => {
    const url = await answering(200, '');
    await new Promise((resolve) => servers.pop()?.close(resolve));
    await expect(fetchStatus(url)).rejects.toMatchObject({
      code: 'UNREACHABLE',
      params: { problem: 'nothing listens there' },
    });
  });
});
