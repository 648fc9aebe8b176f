/**
 * The examples with transforms, as their READMEs promise them: text in and a label out of one command; a bundle that carries the
 * tokenizer's library, or the image decoder, and no more; an image posted as a file.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { slipway, startServe } from './slipway.ts';

const examples = path.join(import.meta.dirname, '../../examples');
// Beside the originals, so that their imports of the rooms resolve; ignored by git like every build.
const ignored = path.join(examples, '.slipway');
mkdirSync(ignored, { recursive: true });
const copy = mkdtempSync(path.join(ignored, 'transforms-'));
for (const name of ['sentiment', 'digit-images', 'digits']) {
  const filter = (file: string): boolean => !file.includes('.slipway/') || file.startsWith(copy);
  cpSync(path.join(examples, name), path.join(copy, name), { recursive: true, filter });
}
afterAll(() => rmSync(copy, { recursive: true, force: true }));

const packagesOf = (bundle: string): readonly string[] =>
  (
    JSON.parse(readFileSync(path.join(bundle, 'MANIFEST.json'), 'utf8')) as { packages: { name: string }[] }
  ).packages.map(({ name }) => name);

describe('the example sentiment', () => {
  const directory = path.join(copy, 'sentiment');

  it('builds, serves and answers with one command', () => {
    const ran = spawnSync(process.execPath, [path.join(directory, 'demo.ts')], { encoding: 'utf8' });
    expect(ran, ran.stderr).toMatchObject({ status: 0, stderr: '' });
    const answers = ran.stdout.match(/\{"predictions":.*\}/g)!.map((text) => JSON.parse(text) as unknown);
    const one = (label: string) => ({ predictions: [{ label, score: expect.closeTo(0.97, 1) as number }] });
    expect(answers).toEqual([one('negative'), one('positive')]);
  });

  it('serves from a bundle with nothing else, which has a tokenizer and no image decoder', async () => {
    const bundle = path.join(directory, 'bundle');
    const ran = await slipway(['bundle', 'sentiment', '--output', 'bundle'], { cwd: directory });
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(packagesOf(bundle)).toContain('@huggingface/tokenizers');
    expect(packagesOf(bundle)).not.toContain('sharp');
    const answer = askBundle(
      bundle,
      '/predict',
      'application/json',
      Buffer.from('{"text":"This movie was terrible!"}'),
    );
    expect(answer).toMatchObject({ prediction: { label: 'negative' } });
  });
});

describe('the example digit-images', () => {
  const directory = path.join(copy, 'digit-images');
  const image = readFileSync(path.join(directory, 'seven.png'));

  it('reads an image file that is posted as it is, or in base64', async () => {
    const built = await slipway(['build'], { cwd: directory });
    expect(built, built.stderr).toMatchObject({ code: 0 });
    const server = await startServe([], directory);
    try {
      const post = async (at: string, type: string, body: Buffer | string): Promise<unknown> =>
        (await fetch(server.url + at, { method: 'POST', body, headers: { 'Content-Type': type } })).json();
      const file = await post('/predict', 'image/png', image);
      expect(file).toMatchObject({ prediction: { label: [['seven', expect.any(String), expect.any(String)]] } });
      const instances = [{ image: { b64: image.toString('base64') } }];
      const row = await post('/v1/models/digit-images:predict', 'application/json', JSON.stringify({ instances }));
      expect(row).toMatchObject({
        predictions: [{ score: [expect.closeTo(1, 2), expect.any(Number), expect.any(Number)] }],
      });
    } finally {
      server.signal('SIGTERM');
      await server.exited;
    }
  });

  it('serves from a bundle with nothing else, which has the image decoder of this platform and no tokenizer', async () => {
    const bundle = path.join(directory, 'bundle');
    const ran = await slipway(['bundle', 'digit-images', '--output', 'bundle'], { cwd: directory });
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    const packages = packagesOf(bundle);
    expect(packages).toContain('sharp');
    expect(packages.filter((name) => name.startsWith('@img/sharp-linux'))).toHaveLength(1);
    expect(packages).not.toContain('@huggingface/tokenizers');
    const answer = askBundle(bundle, '/predict', 'image/png', image);
    expect(answer).toMatchObject({ prediction: { label: [['seven', expect.any(String), expect.any(String)]] } });
  });
});

/** Node of the bundle asks its own server; nothing of this repository and no PATH is there. */
const QUESTION = `
const { spawn } = require('node:child_process');
const [bundle, at, type, body] = process.argv.slice(1);
const child = spawn(bundle + '/run', ['--json', '--port', '0', '--grpc-port', 'none', '--admin-port', '0'], { stdio: ['ignore', 'pipe', 'inherit'], env: {} });
let text = '';
child.stdout.on('data', async (chunk) => {
  text += chunk;
  if (!text.endsWith('\\n}\\n')) return;
  const sent = { method: 'POST', body: Buffer.from(body, 'base64'), headers: { 'content-type': type } };
  const answer = await (await fetch(JSON.parse(text).url + at, sent)).json();
  child.on('exit', () => console.log(JSON.stringify(answer)));
  child.kill('SIGTERM');
});`;

function askBundle(bundle: string, at: string, type: string, body: Buffer): unknown {
  const args = ['-e', QUESTION, bundle, at, type, body.toString('base64')];
  const asked = spawnSync(path.join(bundle, 'bin/node'), args, { encoding: 'utf8', env: {}, cwd: '/' });
  return JSON.parse(asked.stdout === '' ? JSON.stringify({ said: asked.stderr }) : asked.stdout) as unknown;
}
