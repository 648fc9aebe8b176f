/**
 * Every option of every pass on every real model, in minutes: `npm run e2e:matrix -- [MODEL…] [--pass PASS …]`.
 * What is tried replaces what is recorded of it in `bench/prepare/matrix.json`, and `docs/guides/passes-on-models.md` is written from all of them. Exits with
 * 1 when a pass broke its promise.
 *
 * No part of `npm test`: twice each of 28 options on a ResNet-50 takes longer than everything else together.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { SlipwayError } from '@slipway/core';
import { realModels, rowsOfCalls } from '../../../testing/real-models.ts';
import { expectedOf, type Outcome, tryCell } from './cell.ts';
import { type ModelOutcomes, type Outcomes, type Recorded, renderPage } from './page.ts';
import { ALL_OPTIONS, title } from './specs.ts';

const root = path.resolve(import.meta.dirname, '../../../../../..');
const data = path.resolve(root, '../shared/data');
const FILE = path.join(root, 'bench/prepare/matrix.json');
const PAGE = path.join(root, 'docs/guides/passes-on-models.md');

const { values: flags, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: { pass: { type: 'string', multiple: true } },
});
const options = ALL_OPTIONS.filter(({ spec }) => flags.pass?.includes(spec.pass) ?? true);
if (!existsSync(data)) {
  process.stdout.write(`skipped: the models are in ${data}, which is not there\n`);
} else {
  const models = realModels(data).filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  let broken = 0;
  for (const real of models) {
    const { name } = real;
    const model = await real.read();
    const inputs = real.calls(model);
    const subject = { model, smooth: true, calls: inputs, calibration: rowsOfCalls(model, inputs) };
    const expected = await expectedOf(subject);
    for (const option of options) {
      const before = process.cpuUsage();
      const outcome = await tryCell(subject, option, expected);
      const { user, system } = process.cpuUsage(before);
      const said =
        outcome.kind === 'ran'
          ? `${outcome.decibels.toFixed(1)} dB`
          : outcome.kind === 'refused'
            ? outcome.reason
            : outcome.problem;
      process.stdout.write(
        `${name}  ${title(option.spec)}: ${outcome.kind}, ${said} (${((user + system) / 1e6).toFixed(1)} s of processor)\n`,
      );
      if (outcome.kind === 'broken') broken++;
      record(name, title(option.spec), outcome);
    }
  }
  if (models.length === 0) throw new SlipwayError('USAGE', { problem: `no model is called ${wanted.join(', ')}` });
  process.stdout.write(`${models.length} models, ${options.length} options, ${broken} broken promises\n`);
  process.exitCode = broken > 0 ? 1 : 0;
}

/** At once, so that a run that is ended early was not for nothing. */
function record(model: string, option: string, outcome: Outcome): void {
  const all = existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as Outcomes) : {};
  const rounded: Recorded =
    outcome.kind === 'ran'
      ? { kind: 'ran', decibels: Number.isFinite(outcome.decibels) ? Math.round(outcome.decibels) : null }
      : outcome;
  all[model] = { ...all[model], [option]: rounded };
  const order = realModels(data).map(({ name }) => name);
  const sorted = order.flatMap((name) => (all[name] === undefined ? [] : [[name, inOrder(all[name])] as const]));
  writeFileSync(FILE, `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`);
  writeFileSync(PAGE, renderPage(all, order));
}

function inOrder(outcomes: ModelOutcomes): ModelOutcomes {
  const entries = ALL_OPTIONS.flatMap(({ spec }): [string, Recorded][] => {
    const found = outcomes[title(spec)];
    return found === undefined ? [] : [[title(spec), found]];
  });
  return Object.fromEntries(entries);
}
