/**
 * Every pass on graphs made of every operator at hand, and on odd models: it runs and keeps its promise, or refuses with a reason. Nothing
 * else may happen. The promises are in testing/matrix/specs.ts, the operators in the tables beside it.
 *
 * By default each operator occurs once, and each graph meets a third of the options. Longer, with other graphs and all
 * options for each:
 *
 *     MATRIX_SEEDS=20 MATRIX_SEED=100 vitest run packages/prepare/src/passes/matrix.test.ts
 */
import { type Graph, subgraphsOf } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { expectedOf, tryCell } from './testing/matrix/cell.ts';
import { ODD } from './testing/matrix/odd.ts';
import { everyPiece, PIECES } from './testing/matrix/random-graph.ts';
import { ALL_OPTIONS, title } from './testing/matrix/specs.ts';
import { type Subject, subjectOf } from './testing/matrix/subject.ts';

const SEEDS = Number(process.env['MATRIX_SEEDS'] ?? 0);
const SEED = Number(process.env['MATRIX_SEED'] ?? 1);
const PER_GRAPH = 5;
/** One option of so many per graph, unless asked for more. */
const SHARE = SEEDS > 0 ? 1 : 3;
const MINUTES = 60_000;

const seeds = Array.from({ length: Math.max(SEEDS, 1) }, (_, index) => SEED + index);

describe.each(seeds)('every pass on every operator, seed %i', (seed) => {
  const graphs = everyPiece(seed, PER_GRAPH);
  const ran = new Map<string, number>();

  it.each(graphs.map((graph, index) => ({ graph, index, ops: graph.pieces.flatMap(({ ops }) => ops).join(' ') })))(
    'graph $index: $ops',
    async ({ graph: { model, smooth }, index }) => {
      const subject = subjectOf(model, smooth);
      const { problems, applied } = await tryOptions(subject, index);
      for (const pass of applied) ran.set(pass, (ran.get(pass) ?? 0) + 1);
      expect(problems).toEqual([]);
    },
    5 * MINUTES,
  );

  it('met every operator, and applied what can be applied to nearly everything', () => {
    expect(new Set(graphs.flatMap(({ pieces }) => pieces)).size).toBe(PIECES.length);
    for (const { model, pieces } of graphs) {
      const made = operatorsOf(model.graph);
      for (const op of pieces.flatMap(({ ops }) => ops)) expect(made).toContain(op);
    }
    const often = [
      'prune.magnitude',
      'quantize.dynamic',
      'quantize.static',
      'quantize.weights',
      'optimize',
      'simplify',
    ];
    for (const pass of often) expect(ran.get(pass) ?? 0, pass).toBeGreaterThan(graphs.length / 2);
  });
});

describe('every pass on odd models', () => {
  it.each(ODD.map((odd, index) => ({ ...odd, index })))(
    '$title',
    async ({ model, steps, index }) => {
      const subject = subjectOf(model(), steps !== true);
      const { problems } = await tryOptions(subject, index);
      expect(problems).toEqual([]);
    },
    5 * MINUTES,
  );
});

/** @param index which options: others for the next model */
async function tryOptions(subject: Subject, index: number): Promise<{ problems: string[]; applied: string[] }> {
  const expected = await expectedOf(subject);
  const problems: string[] = [];
  const applied: string[] = [];
  for (const [at, option] of ALL_OPTIONS.entries()) {
    if ((at + index) % SHARE !== 0) continue;
    const outcome = await tryCell(subject, option, expected);
    if (outcome.kind === 'broken') problems.push(`${title(option.spec)}: ${outcome.problem}`);
    if (outcome.kind === 'ran') applied.push(option.spec.pass);
  }
  return { problems, applied };
}

const PREFIX: Readonly<Record<string, string>> = { 'com.microsoft': 'ms.', 'ai.onnx.ml': 'ml.' };

function operatorsOf({ nodes }: Graph): ReadonlySet<string> {
  const names = nodes.flatMap((node) => [
    `${PREFIX[node.domain] ?? ''}${node.op}`,
    ...subgraphsOf(node).flatMap((body) => [...operatorsOf(body)]),
  ]);
  return new Set(names);
}
