/** A comparison for people, as lines of a given width. */
import type { Change } from '@slipway/onnx';
import {
  formatBytes,
  formatChange,
  formatCount,
  formatMs,
  formatShare,
  formatSpeed,
  shortDigest,
} from '../report/format.ts';
import { formatValue } from '../report/metrics.ts';
import { describeDivergence } from '../report/steps.ts';
import type { TableOptions } from '../report/terminal.ts';
import { pad, type Style, styles, textWidth, truncate, wrap } from '../report/text.ts';
import { judgeRatio } from '../validate/compare.ts';
import type { Difference, Measurements } from './diff.ts';
import type { Trial } from './run.ts';

const LABEL = 12;
/** Longer lists are cut: the JSON has them whole. */
const MAX_LISTED = 12;
const NONE = '–';

export function renderDifference(difference: Difference, options: TableOptions): string {
  const style = styles(options.color);
  const width = Math.max(40, options.width);
  const { before, after, identical, model, lineage, trial } = difference;
  const title = [
    `${style.bad('−')} ${before.name}  ${style.dim(shortDigest(before.digest))}`,
    `${style.good('+')} ${after.name}  ${style.dim(shortDigest(after.digest))}`,
  ];
  if (identical) return [...title, '', 'They are the same, byte for byte.'].join('\n');
  const list = (label: string, items: readonly string[]): string[] => {
    const shown = items.slice(0, MAX_LISTED);
    const rest = items.length - shown.length;
    if (rest > 0) shown.push(style.dim(`and ${formatCount(rest)} more`));
    return shown.map((item, i) => style.dim((i === 0 ? label : '').padEnd(LABEL)) + truncate(item, width - LABEL));
  };
  const arrows = <T extends string | number>(label: string, all: readonly Change<T>[]): string[] =>
    list(
      label,
      all.map((change) => arrow(change)),
    );
  const body = [
    ...figures(rowsOf(difference), style),
    '',
    ...arrows('inputs', model.inputs),
    ...arrows('outputs', model.outputs),
    ...arrows('opsets', model.opsets),
    ...arrows('operators', model.operators),
    ...list('added', model.added),
    ...list('removed', model.removed),
    ...arrows('changed', model.changed),
    ...arrows('constants', model.constants),
    ...list('values', model.values),
    ...(lineage === null
      ? []
      : arrows(
          'lineage',
          lineage.map((change) => ({ ...change, before: short(change.before), after: short(change.after) })),
        )),
    ...(trial === null ? [] : ['', ...wrap(describeTrial(trial), width)]),
  ];
  return [
    ...title,
    '',
    ...body,
    ...(trial === null ? hostNote(before.measured, after.measured) : []).flatMap((text) => [
      '',
      ...wrap(text, width).map(style.dim),
    ]),
  ].join('\n');
}

type Row = readonly [label: string, before: string, after: string, change: string];

function rowsOf({ before, after, model }: Difference): Row[] {
  const bytes = (label: string, a: number, b: number): Row => [
    label,
    formatBytes(a),
    formatBytes(b),
    formatChange(b, a),
  ];
  const [a, b] = [before.measured, after.measured];
  const both = <T>(
    label: string,
    of: (side: Measurements) => T | null | undefined,
    format: (value: T) => string,
    change: (before: T, after: T) => string,
  ): Row[] => {
    const [x, y] = [a === null ? null : (of(a) ?? null), b === null ? null : (of(b) ?? null)];
    if (x === null && y === null) return [];
    return [
      [
        label,
        x === null ? NONE : format(x),
        y === null ? NONE : format(y),
        x === null || y === null ? '' : change(x, y),
      ],
    ];
  };
  const relative = (x: number, y: number): string => formatChange(y, x);
  return [
    bytes('size', before.bytes, after.bytes),
    ...both('compressed', (side) => side.size?.compressedBytes, formatBytes, relative),
    bytes('constants', model.bytes.before, model.bytes.after),
    [
      'nodes',
      formatCount(model.nodes.before),
      formatCount(model.nodes.after),
      formatChange(model.nodes.after, model.nodes.before),
    ],
    ...metricNames(a, b).flatMap((name) =>
      both(
        name,
        (side) => side.metrics.find((metric) => metric.name === name),
        formatValue,
        // Each of its own build, perhaps of other rows: what may be said of the difference is in those reports.
        () => '',
      ),
    ),
    ...both('p50', (side) => side.latency?.p50Ms, formatMs, relative),
    ...both('p99', (side) => side.latency?.p99Ms, formatMs, relative),
    ...both('peak memory', (side) => side.peakRssBytes, formatBytes, relative),
  ];
}

const metricNames = (...sides: readonly (Measurements | null)[]): readonly string[] => [
  ...new Set(sides.flatMap((side) => (side === null ? [] : side.metrics.map(({ name }) => name)))),
];

function figures(rows: readonly Row[], style: Style): string[] {
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => textWidth(row[column] ?? ''))));
  return rows.map((row) =>
    row
      .map((cell, i) =>
        i === 0
          ? style.dim(pad(cell, Math.max(LABEL, (widths[0] ?? 0) + 2), 'left'))
          : pad(cell, widths[i] ?? 0, 'right'),
      )
      .join('  ')
      .trimEnd(),
  );
}

function arrow<T extends string | number>({ name, before, after }: Change<T>): string {
  if (before === null) return `+ ${name}  ${after ?? ''}`;
  if (after === null) return `− ${name}  ${before}`;
  return before === after ? `${name}  ${before}, other attributes` : `${name}  ${before} → ${after}`;
}

/** Digests by their first digits. */
const short = (text: string | null): string | null =>
  text?.replaceAll(/sha256:[0-9a-f]{64}/g, (digest) => shortDigest(digest)) ?? null;

function describeTrial({ rows, goldenOf, parity, p50Ms, ratio, ...parting }: Trial): string {
  const noise =
    parity.sqnrDb === null
      ? 'identical outputs'
      : `SQNR ${parity.sqnrDb.toFixed(1)} dB, cosine ${parity.cosine.toFixed(5)}`;
  const classes = parity.argmaxAgreement === null ? '' : `, the same class on ${formatShare(parity.argmaxAgreement)}`;
  const times = `${formatMs(p50Ms.before)} → ${formatMs(p50Ms.after)}, ${judgeRatio(ratio) === 'indistinguishable' ? 'not distinguishable' : formatSpeed(ratio.ratio)} (99 % interval ${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)})`;
  const on = goldenOf === null ? `${rows} generated rows` : `the ${rows} golden samples of ${goldenOf}`;
  const where =
    parting.divergence === null ? parting.divergenceNote : `the second ${describeDivergence(parting.divergence)}`;
  return `Run here on ${on}: ${noise}${classes}; ${times}.${where === null ? '' : ` Where they part: ${where}.`}`;
}

/** Times of different builds were not taken side by side, and perhaps not on the same machine. */
function hostNote(a: Measurements | null, b: Measurements | null): string[] {
  if (a === null || b === null || a.latency === null || b.latency === null) return [];
  const same = a.host.cpu === b.host.cpu && a.host.cores === b.host.cores;
  const hosts = same
    ? ''
    : ` on other machines (${a.host.cpu}, ${a.host.cores} cores; ${b.host.cpu}, ${b.host.cores} cores)`;
  return [`Times were measured in two builds${hosts}: add --run to measure both side by side.`];
}
