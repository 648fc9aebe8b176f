/**
 * How close is serving to the limit? Each figure is a ratio of two measurements taken in turn, round by round, in this one
 * run; the median round counts. See README.md for what each question means.
 *
 * Usage: node bench/serving/run.ts [--rounds N] [--seconds N] [--only QUESTION]
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { mlpModel, oneWeightModel, writeModelFile } from '@slipway/onnx';
import { machine } from '../harness/machine.ts';
import { hasWrk } from '../harness/wrk.ts';
import { QUESTIONS, type Setup } from './questions.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string' }, seconds: { type: 'string' }, only: { type: 'string' } },
});
if (!hasWrk()) throw new Error('wrk is not installed: apt-get install wrk');

const root = path.resolve(import.meta.dirname, '../..');
const models = path.join(root, '.cache/bench/models');
mkdirSync(models, { recursive: true });
await writeModelFile(path.join(models, 'one.onnx'), oneWeightModel());
await writeModelFile(path.join(models, 'mlp.onnx'), mlpModel());

const light = path.resolve(root, '../shared/data/onnx-light');
const setup: Setup = {
  rounds: Number(values.rounds ?? 5),
  seconds: Number(values.seconds ?? 4),
  model: (name) => (name.startsWith('light_') ? path.join(light, `${name}.onnx`) : path.join(models, `${name}.onnx`)),
};

const results = [];
for (const question of QUESTIONS) {
  if (values.only !== undefined && values.only !== question.name) continue;
  const missing = question.models.map(setup.model).filter((file) => !existsSync(file));
  if (missing.length > 0) {
    console.log(`${question.name}: not measured, ${missing.join(', ')} is not here`);
    continue;
  }
  const answer = await question.ask(setup);
  const met =
    question.wanted === null ? '' : answer.figure === null ? '' : question.met(answer.figure) ? 'met' : 'NOT MET';
  console.log(
    `${question.name}: ${question.title}\n  ${answer.text}\n  wanted ${question.wanted ?? 'nothing in particular'} ${met}`,
  );
  results.push({ question: question.name, title: question.title, wanted: question.wanted, met, ...answer });
}
if (values.only === undefined) {
  const file = path.join(import.meta.dirname, 'results.json');
  writeFileSync(
    file,
    `${JSON.stringify({ machine: machine(), settings: { rounds: setup.rounds, seconds: setup.seconds }, results }, null, 2)}\n`,
  );
  console.log(`recorded in ${path.relative(process.cwd(), file)}`);
}
