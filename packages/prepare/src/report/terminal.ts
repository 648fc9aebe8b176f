/**
 * The report as a terminal table: a pure function of the report, the width and whether colour is wanted. Columns are dropped, least
 * important first, before anything is cut; reasons wrap under their candidate.
 */
import { type CandidateReport, type Report, SOURCE_CANDIDATE, type Verdict } from '@slipway/core';
import { formatBytes, formatCount, formatCpu, formatMs } from './format.ts';
import { formatEstimate, metricNotes, primaryOf } from './metrics.ts';
import { describePasses, firstOfFailedRecipes, withoutWinner } from './recipes.ts';
import { stepNotes } from './steps.ts';
import { STOPS, stopOf } from './stops.ts';
import { pad, type Style, styles, textWidth, truncate, wrap } from './text.ts';

export interface TableOptions {
  /** Columns of the terminal. */
  readonly width: number;
  readonly color: boolean;
}

const MARK: Readonly<Record<Verdict, { readonly glyph: string; readonly style: keyof Style }>> = {
  winner: { glyph: '★', style: 'good' },
  passed: { glyph: '✓', style: 'plain' },
  refused: { glyph: '✗', style: 'warn' },
  failed: { glyph: '✗', style: 'bad' },
  error: { glyph: '!', style: 'warn' },
};

interface Column {
  readonly title: string;
  /** Columns with the largest number go first when there is no room. */
  readonly expendable: number;
  readonly align: 'left' | 'right';
  readonly cell: (candidate: CandidateReport) => string;
}

/** The title of the column of the primary metric stands for its name. */
const METRIC = 'accuracy';

const COLUMNS: readonly Column[] = [
  { title: 'candidate', expendable: 0, align: 'left', cell: (c) => `${MARK[c.verdict].glyph} ${c.name}` },
  { title: 'size', expendable: 2, align: 'right', cell: (c) => (c.size === null ? '–' : formatBytes(c.size.bytes)) },
  {
    title: 'zstd',
    expendable: 5,
    align: 'right',
    cell: (c) => (c.size === null ? '–' : formatBytes(c.size.compressedBytes)),
  },
  {
    title: METRIC,
    expendable: 1,
    align: 'right',
    cell: (c) => {
      const metric = primaryOf(c);
      const value = metric?.value ?? null;
      return metric === null || value === null ? '–' : formatEstimate(value, metric.unit);
    },
  },
  { title: 'p50', expendable: 3, align: 'right', cell: (c) => (c.latency === null ? '–' : formatMs(c.latency.p50Ms)) },
  { title: 'p99', expendable: 4, align: 'right', cell: (c) => (c.latency === null ? '–' : formatMs(c.latency.p99Ms)) },
  { title: 'verdict', expendable: 0, align: 'left', cell: (c) => c.verdict },
];

const GAP = '  ';
const MIN_WIDTH = 24;
const MIN_NAME = 12;

/** The table, its heading and what each objective would choose, as lines joined by newlines; no trailing newline. */
export function renderReport(report: Report, options: TableOptions): string {
  const width = Math.max(MIN_WIDTH, options.width);
  const style = styles(options.color);
  return [
    ...heading(report, width, style),
    '',
    ...table(report, width, style),
    '',
    ...searchLines(report, width, style),
    ...footer(report, width, style),
  ].join('\n');
}

function heading(report: Report, width: number, style: Style): string[] {
  const outcome =
    report.winner === null
      ? withoutWinner(report)
      : report.release === null
        ? `winner: ${report.winner}`
        : `${report.name}:${report.release.version} is ${report.winner}`;
  const rows = report.rows.evaluation;
  const measured = [
    `objective ${report.objective}`,
    report.candidates.some((c) => c.metrics.length > 0)
      ? `${report.metrics.join(', ')} on ${formatCount(rows)} rows`
      : 'accuracy not measured',
    `${report.host.cores} ${report.host.cores === 1 ? 'core' : 'cores'}`,
    report.host.engine,
    formatCpu(report.host.cpu),
  ];
  const title = truncate(`${report.name}  ${outcome}`, width);
  const named = title.startsWith(report.name) ? style.strong(report.name) + title.slice(report.name.length) : title;
  return [named, style.dim(truncate(measured.join(' · '), width))];
}

function table({ candidates, metrics, search }: Report, width: number, style: Style): string[] {
  const named = COLUMNS.map((column) =>
    column.title === METRIC ? { ...column, title: metrics[0] ?? METRIC } : column,
  );
  const columns = fit(named, candidates, width);
  const widths = columns.map((column) => columnWidth(column, candidates));
  const spare = width - widths.slice(1).reduce((sum, w) => sum + w + GAP.length, 0);
  widths[0] = Math.max(Math.min(MIN_NAME, spare), Math.min(widths[0] ?? 0, spare));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => pad(truncate(cell, widths[i] ?? 0), widths[i] ?? 0, columns[i]?.align ?? 'left'))
      .join(GAP)
      .trimEnd();
  const lines = [style.dim(line(columns.map((column) => column.title)))];
  for (const candidate of candidates) {
    const paint = style[MARK[candidate.verdict].style];
    lines.push(paint(truncate(line(columns.map((column) => column.cell(candidate))), width)));
    // The name of a trial is a number, which says nothing of what was chosen for it.
    const trial = search?.trials.find(({ name }) => name === candidate.name);
    const made = trial === undefined ? [] : [describePasses(trial.passes)];
    for (const text of [...made, candidate.reason, ...metricNotes(candidate), ...stepNotes(candidate)]) {
      lines.push(...wrap(text, width - 2).map((part) => `  ${style.dim(part)}`));
    }
  }
  return lines;
}

const columnWidth = (column: Column, candidates: readonly CandidateReport[]): number =>
  Math.max(textWidth(column.title), ...candidates.map((candidate) => textWidth(column.cell(candidate))));

/** The columns there is room for. */
function fit(all: readonly Column[], candidates: readonly CandidateReport[], width: number): readonly Column[] {
  let columns = all;
  const needed = (): number =>
    columns.reduce((sum, column, i) => {
      const own = columnWidth(column, candidates);
      return sum + (i === 0 ? Math.min(own, MIN_NAME) : own + GAP.length);
    }, 0);
  while (needed() > width) {
    const worst = Math.max(...columns.map((column) => column.expendable));
    if (worst === 0) break;
    columns = columns.filter((column) => column.expendable !== worst);
  }
  return columns;
}

/** What a search came to, and what partial passes left out: a few lines, however many trials there were. */
function searchLines({ search, candidates }: Report, width: number, style: Style): string[] {
  const lines: string[] = [];
  if (search !== null) {
    const { trials, sampler } = search;
    const counts = STOPS.flatMap(({ key, label }) => {
      const count = trials.filter((trial) => stopOf(trial) === key).length;
      return count === 0 ? [] : [`${formatCount(count)} ${label}`];
    });
    const best = trials.findLast((trial) => trial.best);
    const isShown = candidates.some(({ name }) => name === best?.name);
    const what = best === undefined || isShown ? '' : `: ${describePasses(best.passes)}`;
    const found = best === undefined ? '' : ` The best was found as trial ${best.number}${what}.`;
    lines.push(`Search (${sampler}): ${formatCount(trials.length)} trials: ${counts.join(', ')}.${found}`);
    const broken = trials.find(({ outcome }) => outcome === 'error');
    if (broken !== undefined) lines.push(`${broken.name} could not be made or run: ${broken.reason ?? ''}`);
  }
  for (const { name, sensitivity } of candidates) {
    if (sensitivity === null) continue;
    const out = sensitivity.layers.filter(({ leftOut }) => leftOut).map((layer) => layer.name);
    const shown = out.slice(0, MAX_NAMED).join(', ') + (out.length > MAX_NAMED ? ', …' : '');
    lines.push(`${name} leaves out ${out.length} of ${sensitivity.layers.length} layers: ${shown}.`);
  }
  return lines.length === 0 ? [] : [...lines.flatMap((line) => wrap(line, width)).map((line) => style.dim(line)), ''];
}

/** More names of layers hide the line that they are in. */
const MAX_NAMED = 4;

function footer(report: Report, width: number, style: Style): string[] {
  const { latency, size, accuracy } = report.choices;
  const lost = [...(report.oddities ?? []), ...unmade(report)]
    .flatMap((line) => wrap(line, width))
    .map((line) => style.warn(line));
  // Where no recipe could be made there was nothing to choose from.
  const nothing = firstOfFailedRecipes(report.candidates) !== null;
  if (nothing || (latency === null && size === null && accuracy === null)) {
    return [...lost, style.bad('Nothing was released.')];
  }
  const choices = (['latency', 'size', 'accuracy'] as const).map((objective) => {
    const name = report.choices[objective];
    return name === null ? `${objective} was not measured` : `${objective} → ${name}`;
  });
  const differ = new Set([latency, size, accuracy].filter((name) => name !== null)).size > 1;
  const every = [latency, size, accuracy].includes(null) ? 'Every objective that was measured' : 'Every objective';
  const lead = differ ? 'The objective decides: ' : `${every} chooses the same: `;
  return [...lost, ...wrap(lead + choices.join(', ') + '.', width)];
}

/** Recipes that failed are rows of the table; that they are missing from the choice is easily overlooked there. */
function unmade({ candidates }: Report): string[] {
  const recipes = candidates.filter(({ name }) => name !== SOURCE_CANDIDATE);
  const count = recipes.filter(({ verdict }) => verdict === 'error').length;
  if (count === 0) return [];
  if (count < recipes.length) {
    return [`${count} of ${recipes.length} recipes could not be made or run; the reasons are above.`];
  }
  return [count === 1 ? 'The recipe could not be made or run.' : `None of the ${count} recipes could be made or run.`];
}
