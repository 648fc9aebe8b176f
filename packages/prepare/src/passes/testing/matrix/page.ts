/** The outcomes of the matrix as a page of the guides: a table of options by models, and why what was refused was refused. */
import { ALL_OPTIONS, type Promised, title } from './specs.ts';

export type ModelOutcomes = Record<string, Recorded>;
/** By model, by option. */
export type Outcomes = Record<string, ModelOutcomes>;

export type Recorded =
  /** Signal against error, dB, of the worst output; null when nothing differs. */
  | { readonly kind: 'ran'; readonly decibels: number | null }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'broken'; readonly problem: string };

const HEAD = `# Every pass on every model

What each pass does to six models that others made: a digit classifier and a sentiment transformer that are trained, and four topologies of
the ONNX model zoo with random weights. The figure is the signal of the answers against the error, in decibels, of the worst output over four calls
(sentences as long as they are): 20 dB is an error of a tenth, 40 dB of a hundredth, 60 dB of a thousandth. \`=\` is the same bits. A number in
brackets is a refusal, explained below; an empty cell has not been tried.

Each cell was made twice with the same bytes, checked, loaded and run in ONNX Runtime, and held against what the pass promises. Written by
\`npm run e2e:matrix\`, which takes half an hour; a slice of it and graphs of every operator are part of \`npm test\`. Random weights
have no outliers and no redundancy, so that low bits look better and pruning looks worse on them than on trained models.
`;

export function renderPage(outcomes: Outcomes, order: readonly string[]): string {
  const models = order.filter((name) => outcomes[name] !== undefined);
  const reasons: string[] = [];
  const cell = (recorded: Recorded | undefined): string => {
    if (recorded === undefined) return '';
    if (recorded.kind === 'ran') return recorded.decibels === null ? '=' : `${recorded.decibels}`;
    if (recorded.kind === 'broken') return `**broken**: ${recorded.problem}`;
    if (!reasons.includes(recorded.reason)) reasons.push(recorded.reason);
    return `(${reasons.indexOf(recorded.reason) + 1})`;
  };
  const lines = ALL_OPTIONS.map(({ spec, promised }) => {
    const { pass, ...options } = spec;
    const given = Object.entries(options).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
    const name = `\`${pass}\`${given.length > 0 ? ` ${given.join(', ')}` : ''}`;
    return `| ${[name, words(promised), ...models.map((model) => cell(outcomes[model]?.[title(spec)]))].join(' | ')} |`;
  });
  const table = [
    `| pass | promised | ${models.join(' | ')} |`,
    `| --- | --- |${models.map(() => ' --- |').join('')}`,
    ...lines,
  ];
  const refusals = reasons.map((reason, i) => `${i + 1}. ${reason.replaceAll(/[*_<>[\]|]/g, (sign) => `\\${sign}`)}`);
  return `${HEAD}\n${table.join('\n')}\n\n## Refusals\n\n${refusals.join('\n')}\n`;
}

function words(promised: Promised): string {
  switch (promised.kind) {
    case 'exact':
      return 'the same bits';
    case 'rounding':
      return `within ${promised.relative} of the largest answer`;
    case 'noise':
      return `${promised.decibels} dB`;
    case 'any':
      return 'finite, same shapes';
  }
}
