/**
 * The project a command runs in: its configuration, found from the current directory upward, and its store.
 *
 * A config is a module and is imported as one, with Node's own type stripping. `import … from 'slipway'` inside it means this
 * very installation, wherever the file lies: a project needs no node_modules.
 */
import { existsSync, statSync } from 'node:fs';
import { registerHooks } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { type Config, fail, type SlipwayError } from '@slipway/core';
import type { Context } from './frame/context.ts';

const CONFIG_FILES = ['slipway.config.ts', 'slipway.config.mts', 'slipway.config.js', 'slipway.config.mjs'];
const DEFAULT_STORE = '.slipway/store';

/** Path of the config file, or null when no directory upward has one. */
export function findConfig(directory: string): string | null {
  for (let at = directory; ; at = path.dirname(at)) {
    const found = CONFIG_FILES.map((name) => path.join(at, name)).find((file) => existsSync(file));
    if (found !== undefined) return found;
    if (at === path.dirname(at)) return null;
  }
}

/**
 * The configuration of `--config`, or of the nearest config file; with the store of `--store` when that is given.
 * @throws CONFIG_NOT_FOUND, CONFIG_UNREADABLE, CONFIG_INVALID
 */
export async function loadConfig(context: Context, given: string | undefined, store?: string): Promise<Config> {
  const file = given === undefined ? findConfig(context.cwd) : path.resolve(context.cwd, given);
  if (file === null) throw fail('CONFIG_NOT_FOUND', { directory: context.cwd });
  if (!existsSync(file)) throw fail('FILE_NOT_FOUND', { path: file });
  const { compileConfig } = await import('@slipway/core/schemas');
  const config = compileConfig(await importDefault(file), file);
  return store === undefined ? config : { ...config, store: path.resolve(context.cwd, store) };
}

/** The store of `--store`, of the config, or `.slipway/store` here. */
export async function storeDirectory(
  context: Context,
  given: { readonly store: string | undefined; readonly config: string | undefined },
): Promise<string> {
  if (given.store !== undefined) return path.resolve(context.cwd, given.store);
  if (given.config !== undefined || findConfig(context.cwd) !== null) {
    return (await loadConfig(context, given.config)).store;
  }
  return path.resolve(context.cwd, DEFAULT_STORE);
}

async function importDefault(file: string): Promise<unknown> {
  const ours = new URL(import.meta.url.endsWith('.ts') ? './index.ts' : './index.js', import.meta.url).href;
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      specifier === 'slipway' ? { url: ours, shortCircuit: true } : next(specifier, context),
  });
  try {
    // The query makes a file that changed since it was last imported a new module.
    const url = `${pathToFileURL(file).href}?changed=${statSync(file).mtimeMs}`;
    return ((await import(url)) as { default?: unknown }).default;
  } catch (error) {
    throw unreadable(error, file);
  } finally {
    hooks.deregister();
  }
}

/** The path carries the line when the error names one, as editors and terminals link it: `slipway.config.ts:3`. */
function unreadable(error: unknown, file: string): SlipwayError {
  const plain = (text: string): string => stripVTControlCharacters(text).trim();
  const problem = error instanceof Error ? (plain(error.message).split('\n')[0] ?? '') : String(error);
  const escaped = file.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const trace = error instanceof Error ? plain(error.stack ?? '') : '';
  const line = new RegExp(`${escaped}(?:\\?changed=[\\d.]+)?:(\\d+)`).exec(trace)?.[1];
  const path = line === undefined ? file : `${file}:${line}`;
  return fail('CONFIG_UNREADABLE', { path, problem }, { cause: error });
}
