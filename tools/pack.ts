/**
 * The packages as people install them: compiled JavaScript and types, packed by npm into .cache/packages/*.tgz.
 *
 * onnxruntime-node travels inside @slipway/runtime, without its install script and with the CPU libraries of Linux and macOS only.
 * As an ordinary dependency its script would fetch 200 MB of CUDA libraries on every Linux machine, and fail without
 * a network; a package cannot tell npm to leave the scripts of its dependencies alone.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..');
const staging = path.join(root, '.cache/pack');
const packed = path.join(root, '.cache/packages');

type Manifest = Record<string, unknown> & { name: string; dependencies?: Record<string, string> };
const readManifest = (directory: string): Manifest =>
  JSON.parse(readFileSync(path.join(directory, 'package.json'), 'utf8')) as Manifest;
const writeManifest = (directory: string, manifest: unknown): void =>
  writeFileSync(path.join(directory, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);

for (const folder of [staging, packed]) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
}
const tsc = spawnSync(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc'), '-b'], {
  cwd: root,
  stdio: 'inherit',
});
if (tsc.status !== 0) process.exit(1);

const names = readdirSync(path.join(root, 'packages'));
for (const name of names) {
  const stage = path.join(staging, name);
  stagePackage(path.join(root, 'packages', name), stage);
  execFileSync('npm', ['pack', '--silent', '--pack-destination', packed], {
    cwd: stage,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
for (const file of readdirSync(packed).sort()) {
  console.log(`${(statSync(path.join(packed, file)).size / 1e6).toFixed(2).padStart(8)} MB  .cache/packages/${file}`);
}

function stagePackage(source: string, stage: string): void {
  const manifest = readManifest(source);
  mkdirSync(stage, { recursive: true });
  const compiled = copyCompiled(source, stage);
  if (compiled === 0) throw new Error(`${manifest.name}: nothing was compiled`);
  for (const extra of ['bin', 'README.md']) {
    if (existsSync(path.join(source, extra))) {
      cpSync(path.join(source, extra), path.join(stage, extra), { recursive: true });
    }
  }
  cpSync(path.join(root, 'LICENSE'), path.join(stage, 'LICENSE'));
  const { private: _, ...published } = manifest;
  const bundled =
    manifest.dependencies?.['onnxruntime-node'] === undefined ? {} : bundleEngine(source, stage, manifest);
  writeManifest(stage, {
    ...published,
    exports: compiledExports(manifest['exports']),
    files: ['dist', 'bin'],
    ...bundled,
  });
}

/** Only what still has a source: `dist` keeps what was compiled from files that are gone. */
function copyCompiled(source: string, stage: string): number {
  const dist = path.join(source, 'dist');
  let count = 0;
  for (const relative of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
    const original = path.join(source, 'src', relative.replace(/(?:\.d\.ts|\.js)$/, '.ts'));
    if (!/\.(?:js|d\.ts)$/.test(relative) || !existsSync(original)) continue;
    cpSync(path.join(dist, relative), path.join(stage, 'dist', relative), { recursive: true });
    count++;
  }
  return count;
}

/** `./src/index.ts` → the compiled file and its types. */
function compiledExports(exports: unknown): unknown {
  return Object.fromEntries(
    Object.entries(exports as Record<string, string>).map(([entry, file]) => {
      const compiled = file.replace('./src/', './dist/').replace(/\.ts$/, '');
      return [entry, { types: `${compiled}.d.ts`, default: `${compiled}.js` }];
    }),
  );
}

function bundleEngine(source: string, stage: string, manifest: Manifest): Record<string, unknown> {
  const platforms = ['linux/x64', 'linux/arm64', 'darwin/arm64'];
  const engine = realpathSync(path.join(source, 'node_modules/onnxruntime-node'));
  const common = realpathSync(path.join(engine, '../onnxruntime-common'));
  const target = path.join(stage, 'node_modules/onnxruntime-node');
  mkdirSync(target, { recursive: true });
  cpSync(path.join(engine, 'dist'), path.join(target, 'dist'), { recursive: true });
  cpSync(path.join(engine, 'README.md'), path.join(target, 'README.md'));
  for (const platform of platforms) {
    const libraries = path.join('bin/napi-v6', platform);
    // One of two names of the same library on macOS is never asked for.
    const filter = (file: string): boolean => !/libonnxruntime\.\d+\.\d+\.\d+\.dylib$/.test(file);
    cpSync(path.join(engine, libraries), path.join(target, libraries), { recursive: true, filter });
  }
  cpSync(common, path.join(stage, 'node_modules/onnxruntime-common'), { recursive: true });
  const { scripts: _s, devDependencies: _d, ...own } = readManifest(engine);
  const version = own.dependencies?.['onnxruntime-common'] ?? '';
  writeManifest(target, { ...own, dependencies: { 'onnxruntime-common': version } });
  return {
    dependencies: { ...manifest.dependencies, 'onnxruntime-common': version },
    bundleDependencies: ['onnxruntime-node', 'onnxruntime-common'],
  };
}
