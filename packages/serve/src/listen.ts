/** Open a port, with an error that says so when somebody has it. */
import type { AddressInfo, Server } from 'node:net';
import { asSlipwayError, fail } from '@slipway/core';

/** Connections the kernel keeps until they are accepted; more than Node's 511, for a burst of clients that reconnect. */
const BACKLOG = 1024;

/** @param server not listening yet @throws PORT_IN_USE */
export async function listenOn(server: Server, host: string, port: number): Promise<AddressInfo> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: Error & { code?: string }) => {
      const address = `${host}:${port}`;
      reject(error.code === 'EADDRINUSE' ? fail('PORT_IN_USE', { address }) : asSlipwayError(error));
    });
    server.listen({ host, port, backlog: BACKLOG }, resolve);
  });
  return server.address() as AddressInfo;
}
