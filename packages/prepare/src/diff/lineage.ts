/** How two releases came to be, where that is different: sources, data, steps, tools and processors. */
import type { Lineage, LineageStep } from '@slipway/core';
import type { Change } from '@slipway/onnx';
import { isDeepStrictEqual } from 'node:util';

/** Digests and versions that are not the same; steps as `pass {options}`. */
export function compareLineage(before: Lineage, after: Lineage): Change<string>[] {
  const facts = (lineage: Lineage): Map<string, string> =>
    new Map([
      ['source', `${lineage.source.file} ${lineage.source.digest}`],
      ...Object.entries(lineage.data).flatMap(([name, digest]) =>
        digest === undefined ? [] : [[`${name} data`, digest] as const],
      ),
      ...Object.entries(lineage.tools).map(([tool, version]) => [tool, version] as const),
      ...(lineage.cpuFlags === undefined ? [] : [['processor', lineage.cpuFlags.join(' ')] as const]),
    ]);
  const [first, second] = [facts(before), facts(after)];
  const changed = [...new Set([...first.keys(), ...second.keys()])]
    .map((name) => ({ name, before: first.get(name) ?? null, after: second.get(name) ?? null }))
    .filter((change) => change.before !== change.after);
  const steps = Array.from({ length: Math.max(before.steps.length, after.steps.length) }, (_, i) => {
    const [a, b] = [before.steps[i], after.steps[i]];
    const same = a?.pass === b?.pass && a?.version === b?.version && isDeepStrictEqual(a?.options, b?.options);
    return same ? [] : [{ name: `step ${i + 1}`, before: describeStep(a), after: describeStep(b) }];
  });
  return [...changed, ...steps.flat()];
}

function describeStep(step: LineageStep | undefined): string | null {
  if (step === undefined) return null;
  const options = Object.entries(step.options).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  return options.length === 0 ? step.pass : `${step.pass} { ${options.join(', ')} }`;
}
