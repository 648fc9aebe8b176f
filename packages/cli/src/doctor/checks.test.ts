import { describe, expect, it } from 'vitest';
import { coresCheck, instructionsCheck, memoryCheck, nodeCheck, spaceCheck } from './checks.ts';

const GB = 1e9;

describe('checks', () => {
  it.each([
    [nodeCheck('24.1.0'), 'passed'],
    [nodeCheck('22.9.0'), 'failed'],
    [coresCheck(2, 'machine'), 'passed'],
    [coresCheck(1, 'quota'), 'warning'],
    [memoryCheck(2 * GB, 4 * GB), 'passed'],
    [memoryCheck(0.3 * GB, 4 * GB), 'warning'],
    [memoryCheck(0.05 * GB, 4 * GB), 'failed'],
    [spaceCheck(5 * GB, '/'), 'passed'],
    [spaceCheck(0.5 * GB, '/'), 'warning'],
    [spaceCheck(1000, '/'), 'failed'],
    [instructionsCheck({ cpu: 'a', cpuFlags: ['avx2', 'avx512f', 'avx512_vnni'] }), 'passed'],
    [instructionsCheck({ cpu: 'a', cpuFlags: ['avx2'] }), 'warning'],
    [instructionsCheck({ cpu: 'a', cpuFlags: [] }), 'warning'],
  ] as const)('%o is %s', (check, status) => {
    expect(check.status).toBe(status);
    expect(check.remedy === null).toBe(status === 'passed');
  });
});
