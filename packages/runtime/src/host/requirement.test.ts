import { expect, it } from 'vitest';
import { checkRequirement } from './requirement.ts';

const host = { engine: 'onnxruntime 1.30.0', cpuFlags: ['avx', 'avx2', 'fma'] };
const check = (engine: string, cpuFlags: readonly string[] | null) => (): void =>
  checkRequirement({ engine, cpuFlags }, host, 'digits');

it('lets everything run that asks for nothing, or for what is here', () => {
  expect(() => checkRequirement(undefined, host, 'digits')).not.toThrow();
  expect(check('onnxruntime 1.30.0', null)).not.toThrow();
  expect(check('onnxruntime 1.30.0', ['fma', 'avx2', 'avx'])).not.toThrow();
});

it('refuses another engine, fewer instructions and more', () => {
  expect(check('onnxruntime 1.29.0', null)).toThrow(
    'digits was optimized for onnxruntime 1.29.0, and this machine has onnxruntime 1.30.0',
  );
  expect(check('onnxruntime 1.30.0', ['avx', 'avx2', 'avx512f', 'fma'])).toThrow(
    'digits was optimized for a processor with avx512f, and this machine has another one',
  );
  expect(check('onnxruntime 1.30.0', ['avx', 'fma', 'sse4_2'])).toThrow('a processor with sse4_2 and without avx2,');
});
