import { EXIT } from '@slipway/core';
import type { Check } from '../doctor/checks.ts';
import { defineVerb, type Verb } from '../frame/declare.ts';
import { columnsOf, type Style, wrap } from '../frame/style.ts';
import { storeDirectory } from '../project.ts';
import * as shared from './shared.ts';

export const doctor: Verb = defineVerb({
  name: 'doctor',
  group: 'Help',
  summary: 'check that this machine is able to build and serve',
  description:
    'Looks at Node.js, the engine (a runner is started and asked a question), CPU instructions, cores and memory as the control group grants them, the store, disk space and ports. Exit code 1 when a check failed.',
  arguments: {},
  options: { store: shared.store, config: shared.config },
  examples: [
    { command: 'slipway doctor', description: 'this machine' },
    { command: 'slipway doctor --json', description: 'for a health check of a build machine' },
  ],
  async run(context, given) {
    const { examine } = await import('../doctor/checks.ts');
    const checks = await examine(await storeDirectory(context, given));
    const worst = checks.some((check) => check.status === 'failed');
    context.result({ ok: !worst, checks }, (style) => render(checks, style));
    return worst ? EXIT.error : EXIT.ok;
  },
});

const MARKS = { passed: '✓', warning: '!', failed: '✗' } as const;

function render(checks: readonly Check[], style: Style): string {
  const color = { passed: style.green, warning: style.yellow, failed: style.red };
  const width = Math.max(...checks.map((check) => columnsOf(check.name)));
  const indent = ' '.repeat(width + 4);
  const lines = checks.flatMap((check) => {
    const head = `${color[check.status](MARKS[check.status])} ${style.bold(check.name.padEnd(width))}  `;
    const found = `${head}${wrap(check.found, style.width - indent.length, indent)}`;
    return check.remedy === null
      ? [found]
      : [found, `${indent}${style.dim(wrap(check.remedy, style.width - indent.length, indent))}`];
  });
  const count = (status: Check['status']): number => checks.filter((check) => check.status === status).length;
  return `${lines.join('\n')}\n\n${count('passed')} passed, ${count('warning')} warnings, ${count('failed')} failed`;
}
