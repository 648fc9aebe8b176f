import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { slipwayVersion } from './version.ts';

it('is that of every package, and of what they depend on among themselves', () => {
  const packages = path.join(import.meta.dirname, '../..');
  const manifests = readdirSync(packages).map((name) => path.join(packages, name, 'package.json'));
  expect(manifests.length).toBeGreaterThan(5);
  for (const file of [...manifests, path.join(packages, '../package.json')]) {
    const { version, dependencies = {} } = JSON.parse(readFileSync(file, 'utf8')) as {
      version: string;
      dependencies?: Record<string, string>;
    };
    expect(version, file).toBe(slipwayVersion());
    for (const [name, wanted] of Object.entries(dependencies)) {
      if (name.startsWith('@slipway/')) expect(wanted, `${file}: ${name}`).toBe(slipwayVersion());
    }
  }
});
