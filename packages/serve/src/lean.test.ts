/** What a server of a plain model loads when it starts. Counted, not timed: each library here is memory and time of every start. */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';

/** Packages of npm that are loaded by a process that imports `entry`. */
function loadedBy(entry: string): string[] {
  const script = `
    import { registerHooks } from 'node:module';
    const found = new Set();
    registerHooks({
      load: (url, context, next) => {
        const name = /.*\\/node_modules\\/((?:@[^/]+\\/)?[^/]+)\\//.exec(url)?.[1];
        if (name !== undefined) found.add(name);
        return next(url, context);
      },
    });
    await import(${JSON.stringify(entry)});
    process.stdout.write(JSON.stringify([...found].sort()));
  `;
  const run = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  });
  expect(run.stderr).toBe('');
  return (JSON.parse(run.stdout) as string[]).filter((name) => !name.startsWith('@slipway/'));
}

describe('what is loaded', () => {
  test('the hook sees packages', () => {
    expect(loadedBy('@slipway/core/schemas')).toContain('zod');
  });

  test('the main door of core needs no schema', () => {
    expect(loadedBy('@slipway/core')).not.toContain('zod');
  });

  test('a server loads none of what only some requests or models need', () => {
    const loaded = loadedBy('@slipway/serve');
    for (const name of [
      'zod',
      'prom-client',
      'fast-xml-parser',
      'aws4fetch',
      '@fastify/busboy',
      'sharp',
      '@huggingface/tokenizers',
    ]) {
      expect(loaded).not.toContain(name);
    }
  });
});
