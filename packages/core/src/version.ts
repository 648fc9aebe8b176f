/** The version of the product. Every package has the same, so that of this one will do, compiled or not. */
import { readFileSync } from 'node:fs';

export function slipwayVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
