/** docs/reference/limits.md: the bounds on what comes from outside, with the reasons the source gives. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { LIMITS } from '@slipway/core';

export function limitsReference(): string {
  const source = readFileSync(path.join(import.meta.dirname, '../../packages/core/src/limits.ts'), 'utf8');
  const rows = Object.entries(LIMITS).map(([name, value]) => {
    const comment = new RegExp(`/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\s*${name}:`).exec(source)?.[1];
    if (comment === undefined) throw new Error(`limits.ts: ${name} has no comment that says why`);
    const why = comment.replace(/\s*\n\s*\*\s*/g, ' ').trim();
    return `| \`${name}\` | ${value.toLocaleString('en-US')} | ${why} |`;
  });
  return `# Limits

Bounds on what comes from outside: requests, model files, data. What exceeds one is refused before memory is allocated for it.

| limit | value | what it bounds, and why this much |
| --- | --- | --- |
${rows.join('\n')}
`;
}
