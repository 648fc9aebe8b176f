import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageClosure } from './closure.ts';
import { filesOf } from './package-files.ts';

const root = mkdtempSync(path.join(tmpdir(), 'slipway-closure-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function install(at: string, manifest: Record<string, unknown>, files: Record<string, string> = {}): string {
  const directory = path.join(root, at);
  mkdirSync(directory, { recursive: true });
  writeFileSync(
    path.join(directory, 'package.json'),
    JSON.stringify({ version: '1.0.0', license: 'MIT', ...manifest }),
  );
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(directory, name)), { recursive: true });
    writeFileSync(path.join(directory, name), content);
  }
  return directory;
}

beforeAll(() => {
  install(
    'app',
    {
      name: 'app',
      type: 'module',
      exports: { '.': './src/main.ts' },
      dependencies: { a: '1', b: '1', heavy: '1' },
      optionalDependencies: { 'node-binary': '1' },
    },
    {
      'src/main.ts': "import { x } from './x.ts';\nconst worker: string = './worker.ts';\nexport { x, worker };\n",
      'src/x.ts': 'export const x: number = 1;\n',
      'src/x.test.ts': 'boom();\n',
      'dist/main.js': 'stale();\n',
    },
  );
  install(
    'elsewhere/a',
    { name: 'a', dependencies: { c: '2' } },
    { 'index.js': '', 'index.d.ts': '', 'lib/index.cjs': '', 'test/t.js': '', LICENSE: 'MIT', 'umd/a.js': '' },
  );
  mkdirSync(path.join(root, 'app/node_modules'));
  symlinkSync(path.join(root, 'elsewhere/a'), path.join(root, 'app/node_modules/a'));
  install('elsewhere/node_modules/c', { name: 'c', version: '2.0.0' }, { 'index.cjs': '' });
  install('app/node_modules/b', {
    name: 'b',
    dependencies: { c: '1' },
    optionalDependencies: { 'b-this-platform': '1', 'b-another-platform': '1' },
  });
  install('app/node_modules/b-this-platform', { name: 'b-this-platform' }, { 'lib/b.node': '' });
  install('app/node_modules/node-binary', { name: 'node-binary' });
  install('app/node_modules/c', { name: 'c', version: '1.0.0', type: 'module' });
  install('app/node_modules/heavy', { name: 'heavy' });
});

describe('packageClosure', () => {
  it('follows links, keeps two versions apart, and leaves out what is not wanted', () => {
    const found = packageClosure(path.join(root, 'app'), ['heavy']);
    expect(found.map(({ place, version }) => `${place}@${version}`)).toEqual([
      'node_modules/a@1.0.0',
      'node_modules/app@1.0.0',
      'node_modules/b@1.0.0',
      'node_modules/b-this-platform@1.0.0',
      'node_modules/b/node_modules/c@1.0.0',
      'node_modules/c@2.0.0',
    ]);
  });

  it('says what is declared and not installed', () => {
    install('broken', { name: 'broken', dependencies: { gone: '1' } });
    expect(() => packageClosure(path.join(root, 'broken'), [])).toThrow(
      expect.objectContaining({ code: 'FILE_NOT_FOUND' }),
    );
  });
});

describe('filesOf', () => {
  const platform = { os: 'linux', cpu: 'x64' };
  const of = (name: string): Map<string, string> => {
    const found = packageClosure(path.join(root, 'app'), ['heavy']).find(
      ({ place }) => place === `node_modules/${name}`,
    );
    return new Map(filesOf(found!, platform).map(({ path: file, content }) => [file, content.toString()]));
  };

  it('compiles our sources as the published packages are', () => {
    const files = of('app');
    expect([...files.keys()]).toEqual([
      'node_modules/app/package.json',
      'node_modules/app/dist/main.js',
      'node_modules/app/dist/x.js',
    ]);
    expect(files.get('node_modules/app/dist/main.js')).toContain("from './x.js'");
    expect(files.get('node_modules/app/dist/main.js')).toContain("'./worker.js'");
    expect(JSON.parse(files.get('node_modules/app/package.json')!)).toMatchObject({
      exports: { '.': './dist/main.js' },
    });
  });

  it('keeps the form for require where an import loads that', () => {
    install(
      'elsewhere/e',
      { name: 'e', exports: { '.': { types: './e.d.ts', import: './dist/e.cjs' } } },
      { 'dist/e.cjs': '' },
    );
    install('mixed', { name: 'mixed', type: 'module', dependencies: { e: '1' } });
    mkdirSync(path.join(root, 'mixed/node_modules'));
    symlinkSync(path.join(root, 'elsewhere/e'), path.join(root, 'mixed/node_modules/e'));
    const found = packageClosure(path.join(root, 'mixed'), []).find(({ name }) => name === 'e');
    expect(filesOf(found!, platform).map((file) => file.path)).toContain('node_modules/e/dist/e.cjs');
  });

  it('takes of others what runs, and the licence', () => {
    expect([...of('a').keys()].sort()).toEqual([
      'node_modules/a/LICENSE',
      'node_modules/a/index.js',
      'node_modules/a/package.json',
    ]);
    // `a` is no ES module and may require it.
    expect([...of('c').keys()]).toContain('node_modules/c/index.cjs');
  });
});
