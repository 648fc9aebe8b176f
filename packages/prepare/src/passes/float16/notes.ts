/** What passes that use 16-bit floats say about what they did. */
import { describeNode, type Model, type Node } from '@slipway/onnx';
import { listNames, plural } from '../describe.ts';
import { constantBytes } from '../prepared.ts';
import type { Converted } from './convert.ts';

export const CPU_BUYS_SIZE =
  'On a CPU this buys size only: ONNX Runtime has few kernels for 16-bit floats there and computes in float32 instead, with weights widened when the model is loaded.';

export function describeSize(before: Model, after: Model): string {
  return `constants ${constantBytes(before).toLocaleString('en')} → ${constantBytes(after).toLocaleString('en')} bytes`;
}

/** Constants that float16 could not hold as they were. */
export function describeClamped({ large, small }: Converted): string[] {
  const said = (constants: ReadonlyMap<string, number>, what: string): string[] => {
    if (constants.size === 0) return [];
    const count = [...constants.values()].reduce((sum, one) => sum + one, 0);
    return [`${plural(count, 'value')} ${what}, in ${listNames([...constants.keys()])}.`];
  };
  return [...said(large, 'beyond ±65,504 became ±65,504'), ...said(small, 'nearer to zero than 2^-24 became ±2^-24')];
}

/** One sentence per reason. */
export function describeHigh(high: ReadonlyMap<Node, string>): string[] {
  return [...Map.groupBy(high, ([, reason]) => reason)].map(
    ([reason, group]) => `Stays float32: ${listNames(group.map(([node]) => describeNode(node)))}: ${reason}.`,
  );
}
