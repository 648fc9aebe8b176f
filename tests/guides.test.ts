/** What documentation promises by linking: files and headings exist, and every pass has its page. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { configJsonSchema } from '@slipway/core';
import { describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '..');
const pages = [
  'README.md',
  'ARCHITECTURE.md',
  ...readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => path.join('docs', file)),
];

/** As GitHub makes them: lower case, punctuation gone, spaces to hyphens. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-');

const anchorsOf = (file: string): Set<string> =>
  new Set([...readFileSync(file, 'utf8').matchAll(/^#{1,6} (.*)$/gm)].map(([, heading = '']) => anchorOf(heading)));

describe('documentation', () => {
  it('has no link to a file or heading that does not exist', () => {
    let checked = 0;
    const broken: string[] = [];
    for (const page of pages) {
      const text = readFileSync(path.join(root, page), 'utf8').replaceAll(/^```.*?^```/gms, '');
      for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [file = '', anchor] = target.split('#');
        const at = file === '' ? path.join(root, page) : path.resolve(root, path.dirname(page), file);
        const exists = existsSync(at) && (anchor === undefined || anchorsOf(at).has(anchor));
        if (!exists) broken.push(`${page}: ${target}`);
        checked++;
      }
    }
    expect(broken).toEqual([]);
    expect(checked).toBeGreaterThan(20);
  });

  it('has a page for every pass, which the overview links to', () => {
    const overview = readFileSync(path.join(root, 'docs/guides/passes.md'), 'utf8');
    const passes = [...JSON.stringify(configJsonSchema()).matchAll(/"pass":\{[^}]*"const":"([^"]+)"/g)];
    expect(passes.length).toBeGreaterThan(5);
    for (const [, name = ''] of passes) expect(overview).toContain(`(passes/${name}.md)`);
  });
});
