/** Shared memory without a server: what a key may be, and what happens when the object changes behind our back. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SharedMemory } from './shared-memory.ts';

const HERE = 'input "x"';

describe.skipIf(process.platform !== 'linux')(
  `shared memory${process.platform === 'linux' ? '' : ' (skipped: only on Linux)'}`,
  () => {
    let directory: string;
    let memory: SharedMemory;
    const at = (name: string): string => path.join(directory, name);
    const object = (name: string, content = '0123456789'): string => {
      writeFileSync(at(name), content);
      return `/${name}`;
    };
    beforeEach(() => {
      directory = mkdtempSync(path.join(tmpdir(), 'slipway-shm-'));
      memory = new SharedMemory({ allowed: true, maxBytes: 64, directory });
    });
    afterEach(() => {
      memory.close();
      rmSync(directory, { recursive: true });
    });

    it('reads and writes parts of a region, counted from its offset', () => {
      memory.register('r', object('a'), 2, 8);
      expect(memory.read({ region: 'r', offset: 1, byteSize: 3 }, HERE).toString()).toBe('345');
      memory.write({ region: 'r', offset: 5, byteSize: 3 }, Buffer.from('xy'), 'output "y"');
      expect(readFileSync(at('a'), 'utf8')).toBe('0123456xy9');
      expect(memory.status('r')).toEqual([{ name: 'r', key: '/a', offset: 2, byte_size: 8 }]);
      memory.register('s', 'a', 0, 10);
      expect(memory.status(null).map(({ name }) => name)).toEqual(['r', 's']);
      memory.unregister('r');
      memory.unregister('r');
      memory.unregister(null);
      expect(memory.status(null)).toEqual([]);
      expect(() => memory.read({ region: 'r', offset: 0, byteSize: 1 }, HERE)).toThrow('no region of this name');
    });

    it.each(['', '/', '.', '..', '/..', '../a', '//a', 'a/b', '/a/../b', 'a\0b', 'a\\b', 'sem.lock', 'a'.repeat(300)])(
      'refuses the key %j',
      (key) => {
        object('a');
        expect(() => memory.register('r', key, 0, 1)).toThrow('is not a key of shared memory');
      },
    );

    it('follows no link, and opens neither a directory nor what is not there', () => {
      object('a');
      symlinkSync(at('a'), at('link'));
      mkdirSync(at('folder'));
      for (const key of ['link', 'folder', 'absent']) {
        expect(() => memory.register('r', key, 0, 1)).toThrow('there is no shared memory object');
      }
    });

    it.each([
      [0, 11, 'go past the end of the object "/a", which has 10 bytes'],
      [10, 1, 'go past the end'],
      [-1, 1, 'offset must be a whole number'],
      [0, 1.5, 'byte_size must be a whole number'],
      [0, 0, 'byte_size must be more than 0'],
      [2 ** 53, 1, 'offset must be a whole number'],
    ])('refuses offset %d with size %d', (offset, size, problem) => {
      object('a');
      expect(() => memory.register('r', '/a', offset, size)).toThrow(problem);
      expect(memory.status(null)).toEqual([]);
    });

    it('refuses what lies outside the region, or does not fit', () => {
      memory.register('r', object('a'), 0, 8);
      expect(() => memory.read({ region: 'r', offset: 4, byteSize: 5 }, HERE)).toThrow('go past the end of the region');
      const bytes = Buffer.alloc(4);
      expect(() => memory.write({ region: 'r', offset: 0, byteSize: 3 }, bytes, HERE)).toThrow('has 4 bytes');
      expect(() => memory.register('r', '/a', 0, 1)).toThrow('registered already');
    });

    it('notices an object that was made smaller', () => {
      memory.register('r', object('a'), 0, 8);
      truncateSync(at('a'), 7);
      expect(() => memory.read({ region: 'r', offset: 0, byteSize: 1 }, HERE)).toThrow('was made smaller');
      expect(() => memory.write({ region: 'r', offset: 0, byteSize: 1 }, Buffer.alloc(1), HERE)).toThrow('smaller');
    });

    it('goes on with an object whose name is gone, but not when another has taken the name', () => {
      memory.register('r', object('a'), 0, 8);
      rmSync(at('a'));
      expect(memory.read({ region: 'r', offset: 0, byteSize: 2 }, HERE).toString()).toBe('01');
      object('a', 'abcdefghij');
      expect(() => memory.read({ region: 'r', offset: 0, byteSize: 2 }, HERE)).toThrow('replaced by another');
    });

    it('holds a tensor to the bound of a body', () => {
      memory.register('r', object('a', 'x'.repeat(100)), 0, 100);
      expect(() => memory.read({ region: 'r', offset: 0, byteSize: 65 }, HERE)).toThrow('larger than 64 bytes');
    });

    it('is off unless it was allowed', () => {
      const off = new SharedMemory({ allowed: false, maxBytes: 64, directory });
      const refusal = 'does not let clients use shared memory';
      expect(() => off.register('r', object('a'), 0, 1)).toThrow(refusal);
      expect(() => off.status(null)).toThrow(refusal);
      expect(() => off.unregister(null)).toThrow(refusal);
      expect(() => off.read({ region: 'r', offset: 0, byteSize: 1 }, HERE)).toThrow(refusal);
    });
  },
);
