/** A request that another route answers, or whose answer gets more headers: the same exchange, with some of it replaced. */
import type { Exchange } from '../http/exchange.ts';

export function delegated(
  exchange: Exchange,
  change: { readonly path?: string; readonly headers?: readonly string[] },
): Exchange {
  const more = change.headers ?? [];
  return {
    id: exchange.id,
    method: exchange.method,
    path: change.path ?? exchange.path,
    query: exchange.query,
    body: exchange.body,
    header: (name) => exchange.header(name),
    reply: (status, contentType, body, headers = []) =>
      exchange.reply(status, contentType, body, [...headers, ...more]),
    release: () => exchange.release(),
    onClose: (callback) => exchange.onClose(callback),
  };
}
