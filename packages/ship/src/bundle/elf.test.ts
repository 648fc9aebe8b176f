import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withoutSymbols } from './elf.ts';

const linux = process.platform === 'linux';

describe('withoutSymbols', () => {
  it.skipIf(!linux)('makes Node smaller, and it still runs (skipped where executables are not ELF)', () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'slipway-elf-'));
    try {
      const node = readFileSync(process.execPath);
      const stripped = withoutSymbols(node);
      expect(stripped.length).toBeLessThanOrEqual(node.length);
      const file = path.join(directory, 'node');
      writeFileSync(file, stripped);
      chmodSync(file, 0o755);
      expect(execFileSync(file, ['-p', '6 * 7'], { encoding: 'utf8' })).toBe('42\n');
      expect(withoutSymbols(stripped).equals(stripped)).toBe(true);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('leaves everything else as it is', () => {
    const magic = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, elf) => {
        // Random headers point outside the file, or say nothing: never a file that got longer, never a crash.
        const file = elf ? Buffer.concat([magic, bytes]) : Buffer.from(bytes);
        expect(withoutSymbols(file).length).toBeLessThanOrEqual(file.length);
      }),
    );
  });
});
