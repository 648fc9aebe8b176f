/**
 * Which execution providers this build of onnxruntime-node has. Asked for one that it does not have, the JavaScript part of ONNX
 * Runtime drops it with a line on the console and computes on the CPU; here that is an error, because whoever names a
 * provider counts on it.
 */
import { fail, type SlipwayError } from '@slipway/core/base';

interface Backend {
  readonly name: string;
  /** False: the package brings no libraries for it. */
  readonly bundled: boolean;
}

const listed = (backends: readonly Backend[]): string =>
  backends.map(({ name, bundled }) => (bundled ? name : `${name} (its libraries must be installed)`)).join(', ');

/** @throws PROVIDER_UNAVAILABLE */
export function checkProviders(wanted: readonly string[], backends: readonly Backend[], model: string): void {
  const missing = wanted.find((provider) => !backends.some(({ name }) => name === provider));
  if (missing === undefined) return;
  throw fail('PROVIDER_UNAVAILABLE', {
    model,
    provider: missing,
    problem: `this build of onnxruntime-node for ${process.platform}-${process.arch} has ${listed(backends)}`,
  });
}

/** What failed to start, when it was a provider and not the model; null: the model. */
export function providerFailure(text: string, wanted: readonly string[], model: string): SlipwayError | null {
  const provider = wanted.find((candidate) => candidate !== 'cpu');
  if (provider === undefined) return null;
  const named = text.toLowerCase().includes(provider);
  if (!named && !/execution ?provider|shared library/i.test(text)) return null;
  const cause = /shared library/i.test(text)
    ? 'its libraries are not installed'
    : `it does not start on this machine: ${text.replace(/^\/\S+ /, '').slice(0, 200)}`;
  return fail('PROVIDER_UNAVAILABLE', { model, provider, problem: cause });
}
