/** A disk that becomes full in the middle of a write of 3 GB: once a real one, once a limit on the size of files. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildModel } from '../build/builder.ts';
import { createInitializer } from '../ir/initializer.ts';
import { encodeModel } from './decode.ts';

const CHILD = path.join(import.meta.dirname, 'testing/write-copy-child.ts');
const permitted = spawnSync('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=1m none /mnt']).status === 0;
const because = permitted ? '' : ' (skipped: mounting in a user namespace is not permitted here)';

let root: string;
let source: string;
let target: string;
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'slipway-disk-'));
  target = path.join(root, 'target');
  mkdirSync(target);
  // A sparse file: 3 GB that take no space until they are copied.
  const bytes = 3 * 2 ** 30;
  writeFileSync(path.join(root, 'huge.bin'), '');
  truncateSync(path.join(root, 'huge.bin'), bytes);
  const model = buildModel((b) => {
    const data = {
      kind: 'external',
      location: 'huge.bin',
      offset: 0,
      length: bytes,
      checksum: null,
      directory: root,
    } as const;
    b.initializer(createInitializer('huge', 'float32', [bytes / 4], data));
    b.op('Neg', ['huge'], { outputs: ['y'] });
    b.output('y', 'float32', null);
  });
  source = path.join(root, 'model.onnx');
  writeFileSync(source, encodeModel(model));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

it('a limit on the size of files ends the write cleanly', () => {
  const script = 'ulimit -f 20000; exec "$1" "$2" "$3" "$4/copy.onnx"';
  const printed = execFileSync('sh', ['-ec', script, 'sh', process.execPath, CHILD, source, target], {
    encoding: 'utf8',
  });
  expect(printed).toMatch(/^DISK_FULL .*copy\.onnx/);
  expect(readdirSync(target)).toEqual([]);
});

describe.skipIf(!permitted)(`a full disk${because}`, () => {
  it('ends the write cleanly, and the model that was there stays', () => {
    const script =
      'mount -t tmpfs -o size=20m none "$4"; echo old > "$4/copy.onnx"; "$1" "$2" "$3" "$4/copy.onnx"; ls -A "$4"; cat "$4/copy.onnx"';
    const parameters = ['-rm', 'sh', '-ec', script, 'sh', process.execPath, CHILD, source, target];
    const [said, ...left] = execFileSync('unshare', parameters, { encoding: 'utf8' }).trim().split('\n');
    expect(said).toMatch(/^DISK_FULL .*copy\.onnx: no space left on the device while writing the model/);
    expect(left).toEqual(['copy.onnx', 'old']);
  });
});
