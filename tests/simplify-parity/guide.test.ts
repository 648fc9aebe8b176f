/** The guide lists every rewrite, with what it says of itself. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { REWRITE_TABLE } from '@slipway/onnx';
import { expect, it } from 'vitest';

it('docs/guides/passes/simplify.md lists every rewrite in the order in which it is applied', () => {
  const guide = readFileSync(join(import.meta.dirname, '../../docs/guides/passes/simplify.md'), 'utf8');
  const rows = [...guide.matchAll(/^\| `([\w-]+)` +\| (exact|rounding) +\| (.*?) +\|$/gm)];
  expect(rows.map(([, name, exactness, summary]) => ({ name, exactness, summary }))).toEqual(
    REWRITE_TABLE.map(({ name, exactness, summary }) => ({ name, exactness, summary })),
  );
});
