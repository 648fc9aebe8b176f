/** How people name releases: NAME, NAME:VERSION, NAME@ALIAS, sha256:DIGEST. */
import { isDigest } from '../digest.ts';
import { fail } from '../errors.ts';
import { isModelName } from '../manifest.ts';
import type { Reference } from '../store.ts';

/** @throws REFERENCE_INVALID */
export function parseReference(text: string): Reference {
  const invalid = (problem: string) => fail('REFERENCE_INVALID', { reference: text, problem });
  if (/^sha256:[^:]{10}/.test(text)) {
    if (!isDigest(text)) throw invalid('a digest is sha256: and 64 lower-case hexadecimal digits');
    return { kind: 'digest', digest: text };
  }
  const [name = '', separator, rest = ''] = text.split(/([:@])(.*)/s);
  if (!isModelName(name)) throw invalid('a name is lower-case letters and digits with . _ - between them');
  if (separator === undefined) return { kind: 'latest', name };
  if (separator === ':') {
    if (!/^[1-9][0-9]{0,14}$/.test(rest)) throw invalid('a version is a whole number from 1');
    return { kind: 'version', name, version: Number(rest) };
  }
  const problem = aliasProblem(rest);
  if (problem !== null) throw invalid(problem);
  return { kind: 'alias', name, alias: rest };
}

/** @throws ALIAS_INVALID */
export function checkAlias(alias: string): void {
  const problem = aliasProblem(alias);
  if (problem !== null) throw fail('ALIAS_INVALID', { alias, problem });
}

function aliasProblem(alias: string): string | null {
  if (!isModelName(alias)) return 'an alias is lower-case letters and digits with . _ - between them';
  if (/^[0-9]+$/.test(alias)) return 'a number would read as a version';
  if (alias === 'latest') return 'the latest release is the name alone';
  return null;
}
