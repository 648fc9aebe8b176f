/** An inspection for people, as lines of a given width. */
import path from 'node:path';
import { describeSpec, type TensorSpec } from '@slipway/core';
import { formatBytes, formatCount } from '../report/format.ts';
import type { TableOptions } from '../report/terminal.ts';
import { styles, textWidth, truncate, wrap } from '../report/text.ts';
import type { Inspection } from './inspect.ts';

const LABEL = 12;
/** Operators beyond these are summed up. */
const MAX_OPERATORS = 12;

export function renderInspection(inspection: Inspection, options: TableOptions): string {
  const style = styles(options.color);
  const width = Math.max(40, options.width);
  const entry = (label: string, text: string): string[] =>
    wrap(text, width - LABEL).map((line, i) => style.dim((i === 0 ? label : '').padEnd(LABEL)) + line);
  const { external, operators, parameters, passes, signature, unknownShapes } = inspection;
  const size = formatBytes(inspection.bytes);
  const data = external.files.length === 0 ? '' : ` + ${formatBytes(external.bytes)} in ${external.files.join(', ')}`;
  const opsets = Object.entries(inspection.opsets).map(([domain, version]) => `${domain} ${version}`);
  const shown = operators
    .slice(0, MAX_OPERATORS)
    .map(({ operator, count }) => (count === 1 ? operator : `${operator} ×${count}`));
  const rest = operators.length - MAX_OPERATORS;
  const dtypes = Object.entries(parameters.byDtype).map(([dtype, count]) => `${formatCount(count)} ${dtype}`);
  const lines = [
    style.strong(truncate(path.basename(inspection.path), width)),
    '',
    ...entry('size', size + data),
    ...entry(
      'format',
      `IR ${inspection.irVersion}, opset ${opsets.join(', ')}${inspection.producer === '' ? '' : `, from ${inspection.producer}`}`,
    ),
    ...signature.inputs.flatMap((spec, i) => entry(i === 0 ? 'inputs' : '', line(spec))),
    ...signature.outputs.flatMap((spec, i) => entry(i === 0 ? 'outputs' : '', line(spec))),
    ...entry('batching', inspection.batchable ? 'rows can share one call' : 'one call takes a fixed number of rows'),
    ...entry('parameters', dtypes.length === 0 ? 'none' : `${dtypes.join(', ')} (${formatBytes(parameters.bytes)})`),
    ...entry(
      'operators',
      `${formatCount(inspection.nodes)} ${inspection.nodes === 1 ? 'node' : 'nodes'}: ${shown.join(', ')}${rest > 0 ? ` and ${rest} more kinds` : ''}`,
    ),
    ...(unknownShapes.length === 0
      ? []
      : entry('shapes', `unknown behind ${unknownShapes.length} nodes, first ${describeUnknown(unknownShapes)}`)),
    ...entry('digest', inspection.digest),
    '',
    style.dim('What each pass could do'),
  ];
  const names = Math.max(...passes.map(({ pass }) => textWidth(pass))) + 5;
  for (const { pass, applicable, summary } of passes) {
    const paint = applicable ? style.good : style.dim;
    const head = `${applicable ? '✓' : '–'} ${pass}`.padEnd(names);
    lines.push(
      ...wrap(summary, Math.max(16, width - names)).map(
        (text, i) => (i === 0 ? paint(head) : ' '.repeat(names)) + text,
      ),
    );
  }
  return lines.join('\n');
}

const line = (spec: TensorSpec): string => `${spec.name}: ${describeSpec(spec)}`;

function describeUnknown([first]: Inspection['unknownShapes']): string {
  return first === undefined ? '' : `${first.operator}: ${first.reason}`;
}
