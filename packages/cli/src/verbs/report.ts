import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ensureDirectory, fail, fromSystemError, openStore, type Report, REPORT_SCHEMA } from '@slipway/core';
import type { Context } from '../frame/context.ts';
import { defineVerb, flag, optionalArgument, text, type Verb } from '../frame/declare.ts';
import { findConfig, loadConfig, storeDirectory } from '../project.ts';
import * as shared from './shared.ts';

export const report: Verb = defineVerb({
  name: 'report',
  group: 'Prepare a model',
  summary: 'show what a build measured',
  description:
    'Shows the report of a release, or without an argument of the last build of the project, also when no candidate passed. The page is one HTML file that needs no network.',
  arguments: { release: optionalArgument('NAME, NAME:VERSION, NAME@ALIAS or sha256:DIGEST.') },
  options: {
    html: text('file', 'Where to write the page. Default: in reports, beside the store.', 'file'),
    open: flag('Open the page in the browser.'),
    store: shared.store,
    config: shared.config,
  },
  examples: [
    { command: 'slipway report --open', description: 'the last build, in the browser' },
    { command: 'slipway report digits:2 --html digits-2.html', description: 'of a release, to send to somebody' },
  ],
  async run(context, given) {
    const { renderPage, renderReport } = await import('@slipway/prepare');
    const directory = await storeDirectory(context, given);
    const { found, page } = await find(context, directory, given);
    const html = given.html === undefined ? page : path.resolve(context.cwd, given.html);
    const content = renderPage(found);
    try {
      await ensureDirectory(path.dirname(html));
      await writeFile(html, content);
    } catch (error) {
      throw fromSystemError(error, html, 'writing the report');
    }
    context.result(
      { report: found, html },
      (style) => `${renderReport(found, style)}\n\n${style.dim('page')}  ${html}`,
    );
    if (given.open) openInBrowser(html);
    return undefined;
  },
});

async function find(
  context: Context,
  directory: string,
  given: { readonly release: string | undefined; readonly config: string | undefined },
): Promise<{ found: Report; page: string }> {
  const reports = path.join(path.dirname(directory), 'reports');
  if (given.release === undefined && (given.config !== undefined || findConfig(context.cwd) !== null)) {
    const { name } = await loadConfig(context, given.config);
    const last = path.join(reports, `${name}.json`);
    if (existsSync(last)) {
      const found = JSON.parse(await readFile(last, 'utf8')) as Report | { readonly schema: 'of another version' };
      if (found.schema !== REPORT_SCHEMA) throw fail('REPORT_NOT_FOUND', { what: `the last build of ${name}` });
      return { found, page: path.join(reports, `${name}.html`) };
    }
  }
  const store = await openStore(directory);
  const reference = given.release ?? (await store.list()).at(-1)?.name;
  if (reference === undefined) throw fail('STORE_EMPTY', { store: directory });
  const release = await store.resolve(reference);
  const found = await store.readReport(release);
  if (found === null) throw fail('REPORT_NOT_FOUND', { what: `${release.name}:${release.version}` });
  return { found, page: path.join(reports, `${release.name}-${release.version}.html`) };
}

function openInBrowser(file: string): void {
  const command = process.platform === 'darwin' ? 'open' : process.platform === 'win32' ? 'explorer' : 'xdg-open';
  spawn(command, [file], { detached: true, stdio: 'ignore' })
    .on('error', () => undefined)
    .unref();
}
