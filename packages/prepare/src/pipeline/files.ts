/** Where a build leaves its report: beside the store, one pair of files per model name, replaced as a whole. */
import { randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ensureDirectory, fromSystemError, type Report } from '@slipway/core';
import { renderPage } from '../report/html/page.ts';

/** The directory that holds the store holds the cache and the reports too. */
export function besideStore(store: string, name: 'cache' | 'reports'): string {
  return path.join(path.dirname(store), name);
}

export async function writeReport(
  report: Report,
  store: string,
): Promise<{ readonly json: string; readonly html: string }> {
  const directory = besideStore(store, 'reports');
  const files = {
    json: path.join(directory, `${report.name}.json`),
    html: path.join(directory, `${report.name}.html`),
  };
  await replace(files.json, `${JSON.stringify(report, null, 2)}\n`);
  await replace(files.html, renderPage(report));
  return files;
}

async function replace(file: string, content: string): Promise<void> {
  const temporary = `${file}.${randomUUID()}`;
  try {
    await ensureDirectory(path.dirname(file));
    await writeFile(temporary, content, { flag: 'wx' });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw fromSystemError(error, file, 'writing the report');
  }
}
