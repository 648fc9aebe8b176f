/** The version of this package, for lineage and cache keys. */
import { readFileSync } from 'node:fs';

export function slipwayVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
