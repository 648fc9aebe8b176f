/** What documentation promises: linked files and headings exist, every pass has its page, and examples are configs that are accepted. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { loadDataset } from '@slipway/core';
import { compileConfig, configJsonSchema } from '@slipway/core/schemas';
import { afterAll, describe, expect, it } from 'vitest';

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

describe('rows of different shapes in the guide to data', () => {
  const page = readFileSync(path.join(root, 'docs/guides/data.md'), 'utf8');
  const tokens = (name: string) => ({ name, dtype: 'int64', shape: ['batch', 'sequence'] }) as const;
  const signature = { inputs: [tokens('input_ids'), tokens('input_mask')], outputs: [] };

  it('are the same data in JSON Lines and in CSV', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'slipway-guide-data-'));
    try {
      const digests = [];
      for (const kind of ['jsonl', 'csv']) {
        const [, text] = new RegExp(`^\`\`\`${kind}\n(.*?)^\`\`\``, 'ms').exec(page) ?? [];
        const file = path.join(folder, `rows.${kind}`);
        writeFileSync(file, text ?? '');
        const source = { inputs: { '*': file }, labels: null, group: null, rows: null };
        const dataset = await loadDataset(source, signature);
        expect(dataset).toMatchObject({ rowCount: 3, isRagged: true, labels: { shape: [3] } });
        digests.push(dataset.digest);
      }
      expect(new Set(digests).size).toBe(1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** Every block of TypeScript in the guides, as the module of a config. */
const examples = pages.flatMap((page) => {
  const text = readFileSync(path.join(root, page), 'utf8');
  return [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code = ''], at) => ({
    at: `${page}, example ${at + 1}`,
    code,
  }));
});

/** Examples are whole modules, or keys of a config, or keys of `data`, or calls of passes. */
function moduleOf(code: string): string {
  const slipway = pathToFileURL(path.join(root, 'packages/cli/src/index.ts')).href;
  if (/^import|^export/m.test(code)) return code.replaceAll("from 'slipway'", `from '${slipway}'`);
  const body = code.trim().replace(/[;,]$/, '');
  const keys = body.startsWith('metric:')
    ? `data: { evaluation: './evaluation.npz', ${body} }`
    : /^\w+:/.test(body)
      ? body
      : `recipe: [${body.replaceAll(/;$/gm, ',')}]`;
  const words = [
    ...new Set(
      code.match(
        /\b(?:search|batching|prune|quantize|precision|optimize|simplify|fuse|partial|transform|custom)\b(?=[.(])/g,
      ),
    ),
  ];
  return `import { ${words.join(', ')} } from '${slipway}';\nexport default { ${keys} };\n`;
}

describe('examples in the guides', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'slipway-guides-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('are there', () => expect(examples.length).toBeGreaterThan(15));

  it.each(examples)('$at', async ({ at, code }) => {
    const file = path.join(directory, `${at.replaceAll(/\W+/g, '-')}.ts`);
    writeFileSync(file, moduleOf(code));
    const { default: exported } = (await import(pathToFileURL(file).href)) as { default: unknown };
    if (typeof exported === 'function') return; // A module that a config names.
    const whole = { name: 'example', source: './model.onnx', ...(exported as object) };
    expect(compileConfig(whole, file).name).toMatch(/./);
  });
});
