/** All protocols on one port. What a path means is worked out once and remembered, because clients repeat themselves. */
import type { Endpoint, Router } from '../http/exchange.ts';

interface Protocol {
  find(path: string): Endpoint | null;
}

/** Paths remembered; beyond, all are forgotten, so that invented paths cost nothing lasting. */
const MAX_REMEMBERED = 1024;

export function protocolRouter(protocols: readonly Protocol[]): Router {
  const remembered = new Map<string, Endpoint>();
  return (path) => {
    const known = remembered.get(path);
    if (known !== undefined) return known;
    for (const protocol of protocols) {
      const endpoint = protocol.find(path);
      if (endpoint === null) continue;
      if (remembered.size >= MAX_REMEMBERED) remembered.clear();
      if (path.length <= 512) remembered.set(path, endpoint);
      return endpoint;
    }
    return null;
  };
}
