/** What is counted of batches: exactly, and in bounded memory whatever their sizes. */
import { expect, it } from 'vitest';
import { VersionStats } from './stats.ts';

it('batches are told apart by their rows, and large ones by powers of two', () => {
  const stats = new VersionStats();
  let rows = 0;
  for (let size = 1; size <= 5000; size++) {
    stats.ran(size, 0.001);
    rows += size;
  }
  expect(stats.rows).toBe(rows);
  expect(stats.batch.count).toBe(5000);
  expect(stats.batches.get(7)).toMatchObject({ count: 1, seconds: 0.001 });
  expect(stats.batches.get(4096)?.count).toBe(2048);
  expect(stats.batches.size).toBe(1024 + 3);
});
