/**
 * Golden files of rewrites, one per rewrite: what goes in, a line `=>`, what comes out. A case without a second part must stay
 * as it is. To add one, write the first part and run with UPDATE_GOLDEN=1; read what it wrote.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createModel, type Model } from '../../ir/model.ts';
import { parseGraph, printGraph } from './text.ts';

const UPDATE = process.env['UPDATE_GOLDEN'] === '1';

interface Case {
  readonly title: string;
  readonly before: readonly string[];
  readonly after: readonly string[];
}

function read(file: string): Case[] {
  const sections = readFileSync(file, 'utf8').split(/^== /m).slice(1);
  return sections.map((section) => {
    const [title = '', ...lines] = section.trimEnd().split('\n');
    const arrow = lines.indexOf('=>');
    const before = (arrow < 0 ? lines : lines.slice(0, arrow)).filter((line) => line.trim() !== '');
    return { title, before, after: arrow < 0 ? [] : lines.slice(arrow + 1).filter((line) => line.trim() !== '') };
  });
}

/**
 * @param apply the rewrite of this name alone: what it leaves for others to clean up is part of what it does
 */
export function goldenTests(
  directory: string,
  names: readonly string[],
  apply: (name: string, model: Model) => Model,
): void {
  /** `[opset 9]` at the end of a title asks for that operator set. */
  const run = (name: string, { title, before }: Case): string[] => {
    const opset = Number(/\[opset (\d+)\]/.exec(title)?.[1] ?? 17);
    return printGraph(apply(name, createModel({ opsets: [['', opset]], graph: parseGraph(before) })).graph);
  };
  describe.each(names)('%s', (name) => {
    const file = join(directory, `${name}.txt`);
    const cases = read(file);
    it('has a case that changes something and one that must not', () => {
      expect(cases.some(({ title }) => title.startsWith('leaves'))).toBe(true);
      expect(cases.some(({ title }) => !title.startsWith('leaves'))).toBe(true);
    });
    it.each(cases.map((golden) => [golden.title, golden] as const))('%s', (title, golden) => {
      const unchanged = printGraph(parseGraph(golden.before));
      const result = run(name, golden);
      if (title.startsWith('leaves')) expect(result).toEqual(unchanged);
      else if (!UPDATE) expect(result).toEqual(golden.after);
      else expect(result).not.toEqual(unchanged);
    });
    if (UPDATE) {
      const text = cases.map((golden) => {
        const after = golden.title.startsWith('leaves') ? [] : ['=>', ...run(name, golden)];
        return [`== ${golden.title}`, ...golden.before, ...after].join('\n');
      });
      writeFileSync(file, `${text.join('\n\n')}\n`);
    }
  });
  it('has no golden file for a rewrite that there is not', () => {
    const found = readdirSync(directory).map((file) => file.replace('.txt', ''));
    expect(found.sort()).toEqual([...names].sort());
  });
}
