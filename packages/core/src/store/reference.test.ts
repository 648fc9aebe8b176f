import { describe, expect, it } from 'vitest';
import { parseReference } from './reference.ts';

const DIGEST = `sha256:${'0a'.repeat(32)}`;

describe('parseReference', () => {
  it.each([
    ['digits', { kind: 'latest', name: 'digits' }],
    ['digits:12', { kind: 'version', name: 'digits', version: 12 }],
    ['digits@champion', { kind: 'alias', name: 'digits', alias: 'champion' }],
    ['a.b-c__d@v2.rc', { kind: 'alias', name: 'a.b-c__d', alias: 'v2.rc' }],
    ['sha256:3', { kind: 'version', name: 'sha256', version: 3 }],
    [DIGEST, { kind: 'digest', digest: DIGEST }],
  ])('reads %s', (text, expected) => {
    expect(parseReference(text)).toEqual(expected);
  });

  it.each([
    '',
    'Digits',
    '../digits',
    'digits:',
    'digits:0',
    'digits:01',
    'digits:-1',
    'digits:1.5',
    'digits:9999999999999999',
    'digits@',
    'digits@latest',
    'digits@2',
    'digits@A',
    'digits:1@champion',
    `digits@${DIGEST}`,
    DIGEST.toUpperCase(),
    DIGEST.slice(0, -1),
    'a\nb',
    'digits:1\n',
  ])('refuses %j', (text) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'REFERENCE_INVALID', exitCode: 2 }));
  });
});
