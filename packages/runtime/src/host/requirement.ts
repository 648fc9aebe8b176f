/**
 * Whether a model that was optimized for one engine and one kind of processor runs here. Everything must be equal: a
 * processor with more instruction sets lays out memory in other blocks, so more is not better.
 */
import { fail, type HostFacts, type HostRequirement } from '@slipway/core';

/** @throws HOST_UNSUPPORTED naming what differs */
export function checkRequirement(
  requires: HostRequirement | undefined,
  host: Pick<HostFacts, 'engine' | 'cpuFlags'>,
  model: string,
): void {
  if (requires === undefined) return;
  if (requires.engine !== host.engine) {
    throw fail('HOST_UNSUPPORTED', { model, required: requires.engine, found: host.engine });
  }
  if (requires.cpuFlags === null) return;
  const required = requires.cpuFlags;
  const missing = required.filter((flag) => !host.cpuFlags.includes(flag));
  const extra = host.cpuFlags.filter((flag) => !required.includes(flag));
  if (missing.length === 0 && extra.length === 0) return;
  throw fail('HOST_UNSUPPORTED', {
    model,
    required: `a processor ${described('with', missing)}${missing.length > 0 && extra.length > 0 ? ' and ' : ''}${described('without', extra)}`,
    found: 'another one',
  });
}

const described = (word: string, flags: readonly string[]): string =>
  flags.length === 0 ? '' : `${word} ${flags.join(', ')}`;
