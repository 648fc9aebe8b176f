/**
 * The packages a package needs to run, found as Node finds them: from its real directory upward through node_modules. The same
 * walk works for a checkout with linked workspaces and for an ordinary installation.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { fail } from '@slipway/core';

export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly directory: string;
  /** Where it goes below the application: `node_modules/zod`, or nested when versions differ. */
  readonly place: string;
  readonly manifest: PackageManifest;
  /** Everything that needs it is an ES module: forms of it for other module systems are never loaded. */
  readonly onlyImported: boolean;
}

export interface PackageManifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly type?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  /** Native parts, one package per platform; npm has installed those of this one. */
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

/** Dependencies of these packages serve their install scripts only. */
const INSTALL_ONLY: Readonly<Record<string, readonly string[]>> = { 'onnxruntime-node': ['adm-zip', 'global-agent'] };

/**
 * @param root directory of the package to start from
 * @param omit names of packages to leave out, with what only they need
 * @throws FILE_NOT_FOUND when a declared dependency is not installed
 */
export function packageClosure(root: string, omit: readonly string[]): InstalledPackage[] {
  const placed = new Map<string, InstalledPackage>();
  const place = (directory: string, parent: InstalledPackage | null): void => {
    const manifest = readPackage(directory);
    const top = `node_modules/${manifest.name}`;
    const there = placed.get(top);
    const imported = parent === null || parent.manifest.type === 'module';
    if (there?.directory === directory) {
      placed.set(top, { ...there, onlyImported: there.onlyImported && imported });
      return;
    }
    const at = there === undefined || parent === null ? top : `${parent.place}/${top}`;
    if (placed.has(at)) return;
    const { name, version, license = 'unknown' } = manifest;
    const found: InstalledPackage = { name, version, license, directory, place: at, manifest, onlyImported: imported };
    placed.set(at, found);
    for (const dependency of Object.keys(manifest.dependencies ?? {}).sort()) {
      if (omit.includes(dependency) || INSTALL_ONLY[name]?.includes(dependency) === true) continue;
      place(findPackage(dependency, directory), found);
    }
    // Those of the application itself are what it can be started with, not what it runs.
    if (parent === null) return;
    for (const dependency of Object.keys(manifest.optionalDependencies ?? {}).sort()) {
      const at = omit.includes(dependency) ? null : installed(dependency, directory);
      if (at !== null) place(at, found);
    }
  };
  place(realpathSync(root), null);
  return [...placed.values()].sort((a, b) => (a.place < b.place ? -1 : 1));
}

function findPackage(name: string, from: string): string {
  const found = installed(name, from);
  if (found === null) throw fail('FILE_NOT_FOUND', { path: path.join(from, 'node_modules', name) });
  return found;
}

function installed(name: string, from: string): string | null {
  for (let at = from; ; at = path.dirname(at)) {
    const candidate = path.join(at, 'node_modules', name);
    if (existsSync(path.join(candidate, 'package.json'))) return realpathSync(candidate);
    if (at === path.dirname(at)) return null;
  }
}

function readPackage(directory: string): PackageManifest {
  return JSON.parse(readFileSync(path.join(directory, 'package.json'), 'utf8')) as PackageManifest;
}
