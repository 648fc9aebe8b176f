/**
 * The HTTP front, through its sockets: whatever bytes come, every answer is HTTP, none is a defect, and the next client is served.
 */
import { connect } from 'node:net';
import type { Endpoint } from '../../http/exchange.ts';
import { HttpListener } from '../../http/listener.ts';
import { JsonParser } from '../../json/parse.ts';
import type { Target } from './targets.ts';

const parser = new JsonParser({ nonFinite: false });

export function httpTarget(): Target {
  let opened: Promise<{ listener: HttpListener; port: number }> | null = null;
  const defects: string[] = [];
  const endpoint: Endpoint = {
    route: '/',
    methods: ['GET', 'POST'],
    handle(exchange) {
      if (exchange.method === 'POST') parser.parse(exchange.body);
      exchange.reply(200, 'text/plain', 'well');
    },
  };
  const open = async (): Promise<{ listener: HttpListener; port: number }> => {
    const listener = new HttpListener({
      host: '127.0.0.1',
      port: 0,
      tls: null,
      maxBodyBytes: 100_000,
      maxConnections: 100,
      maxConnectionsPerAddress: Infinity,
      headersTimeoutMs: 1000,
      requestTimeoutMs: 1000,
      idleTimeoutMs: 5000,
      writeTimeoutMs: 1000,
      idPrefix: 'fuzz',
      router: () => endpoint,
      observe: () => undefined,
      onDefect: (error) => void defects.push(error.stack ?? error.message),
    });
    return { listener, port: (await listener.listen()).port };
  };
  return {
    name: 'http',
    corpus: 'http',
    async run(bytes) {
      const { port } = await (opened ??= open());
      defects.length = 0;
      const reply = await exchange(port, bytes);
      if (defects.length > 0) throw new Error(defects[0]);
      if (reply !== '' && !/^HTTP\/1\.1 (?:100|200|4\d\d|501) /.test(reply)) {
        throw new Error(`answered ${reply.slice(0, 100)}`);
      }
      const good = await exchange(port, Buffer.from('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'));
      if (!good.endsWith('well')) throw new Error(`the next client got ${good.slice(0, 100)}`);
    },
    async close() {
      await (await opened)?.listener.close(0);
      opened = null;
    },
  };
}

/** Half-closed where the bytes end, so that nobody waits for more. */
function exchange(port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    let received = '';
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(bytes);
      setTimeout(() => socket.end(), 5);
    });
    socket.on('data', (chunk) => (received += chunk.toString('latin1')));
    socket.on('error', () => undefined).on('close', () => resolve(received));
  });
}
