import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const check = (directory: string): ReturnType<typeof spawnSync> =>
  spawnSync(process.execPath, [join(import.meta.dirname, 'codegen.ts'), '--check', directory], { encoding: 'utf8' });

describe('codegen --check', () => {
  let copy: string;
  beforeEach(() => {
    copy = mkdtempSync(join(tmpdir(), 'slipway-codegen-test-'));
    cpSync(join(import.meta.dirname, '../packages/onnx/src/generated'), copy, { recursive: true });
  });
  afterEach(() => rmSync(copy, { recursive: true }));

  it('accepts what is committed', () => {
    const { status, stdout } = check(copy);
    expect([status, stdout]).toEqual([0, 'codegen: 2 file(s) are what their schema generates\n']);
  });

  it('fails when a byte differs', () => {
    const file = join(copy, 'onnx_pb.ts');
    writeFileSync(file, readFileSync(file, 'utf8').replace('irVersion', 'irversion'));
    const { status, stderr } = check(copy);
    expect(status).toBe(1);
    expect(stderr).toContain('is not what its schema generates');
  });

  it('fails when a file is missing', () => {
    rmSync(join(copy, 'onnx_pb.ts'));
    expect(check(copy)).toMatchObject({ status: 1 });
  });
});
