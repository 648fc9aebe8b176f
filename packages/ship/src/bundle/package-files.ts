/**
 * Which files of a package run, and in what form they travel. TypeScript sources of ours (`src/`) become JavaScript in
 * `dist/`, as in the published packages; what is only read by people, type checkers, tests or other platforms stays behind.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import path from 'node:path';
import type { InstalledPackage, PackageManifest } from './closure.ts';

export interface BundledFile {
  /** Relative to the bundle, forward slashes. */
  readonly path: string;
  readonly content: Buffer;
  readonly executable: boolean;
}

export interface Platform {
  readonly os: string;
  readonly cpu: string;
}

const RUNS = /\.(?:js|cjs|mjs|json|node|wasm)$|\.so(?:\.\d+)*$/;
const LEGAL = /^(?:licen[cs]e|notice|copying|thirdpartynotices)(?:\.\w+)?$/i;
const NOT_NEEDED = new Set([
  'node_modules',
  'test',
  'tests',
  '__tests__',
  'docs',
  'example',
  'examples',
  'benchmarks',
  'coverage',
  'script',
  'scripts',
  'testing',
]);
/** Forms of a library for script tags, and for `require` where nothing requires it. */
const FOR_BROWSERS = /(?:^|\/)(?:umd|iife)\//;
const FOR_REQUIRE = /(?:^|\/)(?:cjs|commonjs)\/|\.cjs$/;
/** Execution providers other than the CPU. */
const OTHER_PROVIDERS = /providers_(?:cuda|tensorrt|shared)|webgpu|dawn|dml/i;

export function filesOf(from: InstalledPackage, platform: Platform): BundledFile[] {
  const sources = isSource(from.manifest);
  // Some packages give `require` forms to those that import them.
  const unneeded = from.onlyImported && !FOR_REQUIRE.test(importTarget(from.manifest));
  const files: BundledFile[] = [];
  for (const relative of walk(from.directory, '')) {
    if (!isFor(relative, platform) || OTHER_PROVIDERS.test(relative)) continue;
    if (FOR_BROWSERS.test(relative) || (unneeded && FOR_REQUIRE.test(relative))) continue;
    const content = (): Buffer => readFileSync(path.join(from.directory, relative));
    const add = (name: string, bytes: Buffer): void =>
      void files.push({
        path: `${from.place}/${name}`,
        content: bytes,
        executable: name.startsWith('bin/') && name.endsWith('.js'),
      });
    if (relative === 'package.json') {
      add(relative, Buffer.from(`${JSON.stringify(runtimeManifest(from.manifest), null, 2)}\n`));
    } else if (sources && relative.startsWith('src/') && relative.endsWith('.ts')) {
      if (!/\.(?:test|d)\.ts$/.test(relative)) add(compiledName(relative), compile(content().toString('utf8')));
    } else if (sources && relative.startsWith('dist/')) continue;
    else if (RUNS.test(relative) || LEGAL.test(path.posix.basename(relative))) add(relative, content());
  }
  return files;
}

/** True for a package whose main export is a TypeScript source: ours, in a checkout. */
function isSource({ exports }: PackageManifest): boolean {
  const main = typeof exports === 'object' && exports !== null && '.' in exports ? exports['.'] : exports;
  return typeof main === 'string' && main.startsWith('./src/') && main.endsWith('.ts');
}

/** The file that an `import` of the package loads; empty when its manifest does not say. */
function importTarget({ exports, main }: PackageManifest): string {
  let target: unknown = exports;
  if (isRecord(target) && '.' in target) target = target['.'];
  while (isRecord(target)) {
    const condition = Object.keys(target).find((key) => ['node', 'import', 'default'].includes(key));
    if (condition === undefined) break;
    target = target[condition];
  }
  return typeof target === 'string' ? target : typeof main === 'string' ? main : '';
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** `src/a/b.ts` → `dist/a/b.js` */
function compiledName(source: string): string {
  return source.replace(/^src\//, 'dist/').replace(/\.ts$/, '.js');
}

/** What Node reads of a package.json, with exports that point to the compiled files. */
function runtimeManifest(manifest: PackageManifest): Record<string, unknown> {
  const { name, version, license, type, main, exports, imports, dependencies, engines, config } = manifest;
  const compiled = JSON.parse(
    JSON.stringify(exports ?? null).replace(
      /"\.\/(src\/[^"]+\.ts)"/g,
      (_, file: string) => `"./${compiledName(file)}"`,
    ),
  ) as unknown;
  // The last two for native packages, which check by them what they run on.
  const kept = { name, version, license, type, main, exports: compiled, imports, dependencies, engines, config };
  return Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined && value !== null));
}

/** Types become spaces, so that lines stay where they were; names of our own files get their new extension. */
function compile(source: string): Buffer {
  const stripped = withoutWarning(() => stripTypeScriptTypes(source, { mode: 'strip' }));
  return Buffer.from(stripped.replace(/(['"])(\.{1,2}\/[^'"\n]+)\.ts\1/g, '$1$2.js$1').replace(/[ \t]+$/gm, ''));
}

/** Node calls type stripping experimental on first use; it is what runs this very file, and nothing the user could act on. */
function withoutWarning<T>(work: () => T): T {
  const emit = process.emitWarning.bind(process);
  process.emitWarning = () => undefined;
  try {
    return work();
  } finally {
    process.emitWarning = emit;
  }
}

/** Native files lie in folders named by platform; those of others stay behind. */
function isFor(relative: string, platform: Platform): boolean {
  const native = /(?:^|\/)napi-v\d+\/([^/]+)\/([^/]+)\//.exec(relative);
  return native === null || (native[1] === platform.os && native[2] === platform.cpu);
}

function* walk(directory: string, prefix: string): Generator<string> {
  const entries = readdirSync(path.join(directory, prefix), { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const relative = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) {
      if (!NOT_NEEDED.has(entry.name) && !entry.name.startsWith('.')) yield* walk(directory, relative);
    } else if (entry.isFile()) yield relative;
  }
}
