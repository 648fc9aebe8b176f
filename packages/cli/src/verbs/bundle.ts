import { realpathSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { openStore } from '@slipway/core';
import type { Bundle } from '@slipway/ship';
import { argument, defineVerb, text, type Verb } from '../frame/declare.ts';
import type { Style } from '../frame/style.ts';
import { facts } from '../frame/table.ts';
import { bytes, count } from '../frame/units.ts';
import { storeDirectory } from '../project.ts';
import * as shared from './shared.ts';

/** Rooms that serving does not need. */
const OMIT = ['@slipway/onnx', '@slipway/prepare', '@slipway/ship', '@slipway/operate'];

export const bundle: Verb = defineVerb({
  name: 'bundle',
  group: 'Ship and operate it',
  summary: 'write a folder that serves a release with nothing installed',
  description:
    'Writes a self-contained folder: Node.js, the server, ONNX Runtime for CPUs, the release and a run script. It needs no npm and no network where it runs. The same release gives the same bytes; MANIFEST.json lists them with their digests.',
  arguments: { release: argument('NAME, NAME:VERSION, NAME@ALIAS or sha256:DIGEST.') },
  options: {
    output: text('directory', 'Where to write it. Default: NAME-bundle here.', 'directory'),
    platform: text('os/cpu', 'The platform it is for, such as linux/x64. Default, and all that can be made: this one.'),
    store: shared.store,
    config: shared.config,
  },
  examples: [
    { command: 'slipway bundle digits --output dist/digits', description: 'the newest release of digits' },
    { command: 'dist/digits/run --port 9000', description: 'serve it, here or on another machine' },
  ],
  async run(context, given) {
    const { writeBundle } = await import('@slipway/ship');
    const store = await openStore(await storeDirectory(context, given));
    const release = await store.resolve(given.release);
    const made = await writeBundle({
      release,
      modelDirectory: await store.checkout(release),
      output: path.resolve(context.cwd, given.output ?? `${release.name}-bundle`),
      application: fileURLToPath(new URL('../..', import.meta.url)),
      omit: OMIT,
      node: realpathSync(process.execPath),
      platform: given.platform ?? `${process.platform}/${process.arch}`,
      onProgress: (step) => context.progress(`Bundling ${release.name}:${release.version}: ${step}`),
    });
    const document = { ...made, release: release.digest, run: path.join(made.directory, 'run') };
    context.result(document, (style) => render(made, style));
    return undefined;
  },
});

function render(made: Bundle, style: Style): string {
  const parts = Object.entries(made.parts).map(([part, size]) => `${part} ${bytes(size)}`);
  return `${facts(
    [
      ['bundle', made.directory],
      ['size', `${bytes(made.bytes)} (${parts.join(', ')}) in ${count(made.files)} files`],
      ['digest', made.digest],
    ],
    style,
  )}\n\nServe it: ${style.cyan(path.join(shortest(made.directory), 'run'))}`;
}

/** Relative when that is inside the current directory. */
function shortest(directory: string): string {
  const relative = path.relative(process.cwd(), directory);
  return relative.startsWith('..') ? directory : relative;
}
