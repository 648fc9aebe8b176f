/**
 * Regenerates the code that is committed under `generated/` folders. With `--check` it writes nothing and fails when
 * a regeneration would change a byte, so that the schema and the code cannot drift apart.
 *
 * buf compiles the schema offline and protoc-gen-es writes TypeScript; both come from npm, at the versions pinned in
 * package.json. A check that compared no file fails as well.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const bin = join(root, 'node_modules', '.bin');
const target = join(root, 'packages', 'onnx', 'src', 'generated');
const check = process.argv.includes('--check');

const scratch = mkdtempSync(join(tmpdir(), 'slipway-codegen-'));
try {
  const template = {
    version: 'v2',
    plugins: [
      {
        local: join(bin, 'protoc-gen-es'),
        out: scratch,
        opt: ['target=ts', 'import_extension=ts', 'erasable_syntax=true'],
      },
    ],
  };
  execFileSync(join(bin, 'buf'), ['generate', 'packages/onnx/proto', '--template', JSON.stringify(template)], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, PATH: `${bin}:${process.env['PATH'] ?? ''}` },
  });
  const files = readdirSync(scratch).sort();
  if (files.length === 0) throw new Error('codegen produced no file');
  if (check) {
    const committed = readdirSync(target).sort();
    if (committed.join() !== files.join())
      throw new Error(`${target} holds ${committed.join()}, expected ${files.join()}`);
    for (const file of files) {
      if (!readFileSync(join(scratch, file)).equals(readFileSync(join(target, file)))) {
        throw new Error(`${join(target, file)} is not what its schema generates: run \`node tools/codegen.ts\``);
      }
    }
    console.log(`codegen: ${files.length} file(s) are what their schema generates`);
  } else {
    for (const file of files) writeFileSync(join(target, file), readFileSync(join(scratch, file)));
    console.log(`codegen: wrote ${files.join(', ')}`);
  }
} finally {
  rmSync(scratch, { recursive: true });
}
