/** A project from init to verify, and everything a config, a model file or a store can do wrong. */
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { documentOf, type ErrorDocument, makeProject, MODEL, type Project, slipway } from './slipway.ts';

const made: Project[] = [];
const project = (config?: string | null): string => {
  const one = makeProject(config);
  made.push(one);
  return one.directory;
};
afterAll(() => made.forEach((one) => one.remove()));

const config = (body: string): string =>
  `import { defineConfig } from 'slipway';\nexport default defineConfig(${body});\n`;

describe('a project', () => {
  let directory = '';
  beforeAll(async () => {
    directory = project(null);
    cpSync(MODEL, path.join(directory, 'My Model.onnx'));
    const init = await slipway(['init', 'My Model.onnx'], { cwd: directory });
    expect(init, init.stderr).toMatchObject({ code: 0 });
    const file = path.join(directory, 'slipway.config.ts');
    const quick = readFileSync(file, 'utf8').replace(
      'defineConfig({',
      'defineConfig({ measure: { iterations: 10, warmup: 1 },',
    );
    writeFileSync(file, quick);
    const built = await slipway(['build', '--json'], { cwd: directory });
    expect(built, built.stderr).toMatchObject({ code: 0 });
    expect(documentOf(built)).toMatchObject({ release: { name: 'my-model', version: 1 } });
  });

  it('refuses to overwrite what init wrote, unless told to', async () => {
    expect(await slipway(['init', 'My Model.onnx'], { cwd: directory })).toMatchObject({ code: 5 });
    const elsewhere = project(null);
    const args = ['init', path.join(directory, 'My Model.onnx'), '--output', elsewhere, '--json'];
    expect(await slipway(args)).toMatchObject({ code: 0 });
    expect(await slipway([...args, '--force'])).toMatchObject({ code: 0 });
  });

  it('builds the same release again', async () => {
    const again = await slipway(['build'], { cwd: directory });
    expect(again.code).toBe(0);
    expect(again.stdout).toContain('candidate');
    expect(again.stdout).not.toContain('\u001B');
    const { releases } = documentOf<{ releases: unknown[] }>(await slipway(['releases', '--json'], { cwd: directory }));
    expect(releases).toHaveLength(1);
  });

  it('answers the sample request from any directory below', async () => {
    const below = path.join(directory, 'a/b');
    mkdirSync(below, { recursive: true });
    const ran = await slipway(['predict', 'my-model', '--input', '../../sample.json', '--local', '--json'], {
      cwd: below,
    });
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(documentOf(ran)).toMatchObject({ model: 'my-model:1', outputs: {} });
  });

  it('is verified, and a damaged release is noticed', async () => {
    expect(await slipway(['verify'], { cwd: directory })).toMatchObject({ code: 0 });
    const copy = project(null);
    cpSync(path.join(directory, '.slipway/store'), path.join(copy, 'store'), { recursive: true });
    const [release] = documentOf<{ releases: { digest: string }[] }>(
      await slipway(['releases', '--store', 'store', '--json'], { cwd: copy }),
    ).releases;
    truncateSync(path.join(copy, 'store/blobs/sha256', release!.digest.slice(7)), 10);
    const damaged = await slipway(['verify', '--store', 'store', '--json'], { cwd: copy });
    expect(damaged.code).not.toBe(0);
    expect(damaged.stdout).toMatch(/STORE_CORRUPT|DIGEST_MISMATCH/);
  });

  it('has a report as a page', async () => {
    const ran = await slipway(['report', 'my-model', '--html', 'page.html', '--json'], { cwd: directory });
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(existsSync(path.join(directory, 'page.html'))).toBe(true);
  });

  it('exits with 3 for a release that is not there', async () => {
    for (const args of [
      ['verify', 'other'],
      ['releases', 'other'],
      ['bundle', 'my-model:9'],
      ['predict', 'nobody', '--local'],
    ]) {
      const ran = await slipway([...args, '--json'], { cwd: directory });
      expect(ran.code, args.join(' ')).toBe(3);
      expect(documentOf<ErrorDocument>(ran).error.code).toBe('RELEASE_NOT_FOUND');
    }
  });

  it('says when there are no releases at all', async () => {
    const none = path.join(directory, 'no-releases');
    for (const verb of ['verify', 'report']) {
      const ran = await slipway([verb, '--store', none, '--json'], { cwd: path.dirname(directory) });
      expect(ran.code, verb).toBe(3);
      expect(documentOf<ErrorDocument>(ran).error.code).toBe('STORE_EMPTY');
    }
  });

  it('says when the store is not a directory', async () => {
    const ran = await slipway(['build', '--store', path.join(MODEL, 'store'), '--json'], { cwd: directory });
    expect(ran.code).toBe(1);
    expect(documentOf<ErrorDocument>(ran).error.params['path']).toContain(MODEL);
  });
});

describe('a config', () => {
  const build = async (text: string): Promise<{ code: number | null; error: ErrorDocument['error'] }> => {
    const ran = await slipway(['build', '--json'], { cwd: project(text) });
    return { code: ran.code, error: documentOf<ErrorDocument>(ran).error };
  };

  it('that is not there', async () => {
    const ran = await slipway(['build'], { cwd: project(null) });
    expect(ran).toMatchObject({ code: 3, stdout: '' });
    expect(ran.stderr).toMatch(/^CONFIG_NOT_FOUND: .+\nfix: .*slipway init/);
  });

  it('with a misspelt key', async () => {
    const { code, error } = await build(config("{ name: 'a', sorce: './mnist.onnx' }"));
    expect(code).toBe(2);
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toContain('did you mean "source"');
  });

  it('that does not parse names the line', async () => {
    const { code, error } = await build(
      "import { defineConfig } from 'slipway';\n\nexport default defineConfig({ name: \n",
    );
    expect(code).toBe(2);
    expect(error.code).toBe('CONFIG_UNREADABLE');
    expect(error.message).toMatch(/slipway\.config\.ts:\d: /);
  });

  it('that cannot be read', async () => {
    const directory = project(null);
    mkdirSync(path.join(directory, 'slipway.config.ts'));
    const ran = await slipway(['build', '--config', 'slipway.config.ts', '--json'], { cwd: directory });
    expect(ran.code).toBe(2);
    expect(documentOf<ErrorDocument>(ran).error.code).toBe('CONFIG_UNREADABLE');
  });

  it('that throws names the line', async () => {
    const { error } = await build("const a = 1;\nthrow new Error('not today');\nexport default a;\n");
    expect(error.message).toMatch(/slipway\.config\.ts:2: not today/);
  });

  it('that imports what is not there', async () => {
    const { error } = await build("import { nothing } from 'slipway';\nexport default nothing;\n");
    expect(error.code).toBe('CONFIG_UNREADABLE');
    expect(error.message).toContain('nothing');
  });

  it('without a default export', async () => {
    const { error } = await build('export const name = 1;\n');
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toContain('default export');
  });

  it('whose model is not there', async () => {
    const { code, error } = await build(config("{ name: 'a', source: './gone.onnx' }"));
    expect(code).toBe(3);
    expect(error.code).toBe('FILE_NOT_FOUND');
  });
});

describe('a model file', () => {
  it('that is no ONNX model', async () => {
    const directory = project(null);
    writeFileSync(path.join(directory, 'text.onnx'), 'not a model at all, but some text that is long enough');
    for (const verb of ['inspect', 'init']) {
      const ran = await slipway([verb, 'text.onnx', '--json'], { cwd: directory });
      expect(ran.code, verb).toBe(1);
      expect(['MODEL_FORMAT', 'MODEL_INVALID', 'MODEL_LIMIT']).toContain(documentOf<ErrorDocument>(ran).error.code);
      expect(existsSync(path.join(directory, 'slipway.config.ts'))).toBe(false);
    }
  });

  it('that is cut off', async () => {
    const directory = project(null);
    const file = path.join(directory, 'cut.onnx');
    cpSync(MODEL, file);
    chmodSync(file, 0o644);
    truncateSync(file, 20_000);
    expect(documentOf<ErrorDocument>(await slipway(['inspect', file, '--json'])).error.code).toBe('MODEL_FORMAT');
  });

  it('that is asked with rows that do not fit', async () => {
    const directory = project(null);
    writeFileSync(path.join(directory, 'short.json'), '{"instances": [[1, 2, 3]]}');
    const ran = await slipway(['predict', 'm', '--model', `m=${MODEL}`, '--input', 'short.json', '--json'], {
      cwd: directory,
    });
    expect(ran.code).toBe(1);
    expect(['DATA_MISMATCH', 'DATA_FORMAT', 'TENSOR_INVALID']).toContain(documentOf<ErrorDocument>(ran).error.code);
  });
});
